"""Wrong values for queues, handlers, tasks, workers, backoffs: refused when they are made."""

from datetime import timedelta
from typing import Any

import pytest

import barq

NAN, INF = float("nan"), float("inf")
BOTH = (barq.InvalidValue, barq.InvalidType)


async def send(job: barq.Job) -> None: ...


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "1 to 256 bytes"),
        ("a{b}", "no braces"),
        ("}", "no braces"),
        ("a\nb", "control characters"),
        (None, "must be a str, got None"),
        (5, "must be a str"),
        ("x" * 300, "1 to 256 bytes, got 300"),
        ("\ud800", "lone surrogate"),
    ],
)
def test_bad_names_of_queues(name: Any, says: str) -> None:
    with pytest.raises(BOTH, match=says):
        barq.Queue(name)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "must begin with one of redis:"),
        ("localhost:6379", "must begin with one of"),
        ("http://localhost", "must begin with one of"),
        ("redis://host:99999", "port must be a number"),
        ("redis://host:port", "port must be a number"),
        ("redis://host:0", "names no server"),
        ("redis://[::1", "check its host and port"),
        ("redis://host/first", "must be the number of a database, got 'first'"),
        ("unix://", "names no server"),
        ("embedded://folder", "write embedded:PATH"),
        ("redis+sentinel://h:26379", "must be the name of the primary"),
        ("redis+sentinel://h:26379/main/one", "must be the name of the primary"),
        ("redis+sentinel:///main", "must name its servers as HOST:PORT,HOST:PORT"),
        ("redis+sentinel://a:1,,b:2/main", "must name its servers"),
        ("redis+sentinel://a:1,b:x/main", "must name its servers"),
        ("redis+cluster://a:1,b:99999", "must name its servers"),
        ("redis+cluster://a:1,b:0", "must name its servers"),
        ("redis+cluster://a:1/3", "a cluster has no databases, got '3'"),
        ("unix+sentinel:///socket/main", "unix names one server"),
        ("redis+proxy://h", "must begin with one of"),
        (5, "url must be a str"),
        (b"redis://host", "url must be a str"),
    ],
)
def test_bad_urls(url: Any, says: str) -> None:
    with pytest.raises(BOTH, match=says):
        barq.Queue(url=url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:hunter2@host:port",
        "redis://:hunter2@host/first",
        "redis://:hun/ter2@host",
        "redis://:hunter2#@host:1x",
        "http://user:hunter2@host",
        "redis://[user:hunter2@::1",
        "redis://user:hunter2℀@host",
        "redis+sentinel://user:hunter2@host:1,host:x/main",
        "redis+sentinel://user:hunter2@host:1?sentinel_password=hunter2",
        "redis+cluster://user:hunter2@host:1,",
    ],
)
def test_no_message_shows_a_password(url: str) -> None:
    with pytest.raises(BOTH) as caught:
        barq.Queue(url=url)
    for part in ("hunter2", "hun/", "ter2"):
        assert part not in str(caught.value)


def test_a_password_among_the_options_of_a_url_is_not_shown() -> None:
    for url in (
        "redis://host:1?password=hunter2",
        "redis://us?er:hunter2@host:1",
        "redis+sentinel://us:hunter2@host:1,host:2/main/3?sentinel_password=hunter2",
        "rediss+cluster://us:hunter2@host:1,host:2?password=hunter2",
    ):
        assert "hunter2" not in repr(barq.Queue(url=url))


async def test_an_unknown_option_in_a_url_is_refused_and_not_taken_for_a_server_that_is_away() -> None:
    for url in (
        "redis://127.0.0.1:1?nonsense=1",
        "redis://127.0.0.1:1?db=one",
        "redis+cluster://127.0.0.1:1?nonsense=1",
    ):
        async with barq.Queue(url=url, timeout=1) as queue:
            with pytest.raises(barq.InvalidValue, match="can't be used"):
                await queue.ping()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"url": "redis://h", "client": object()}, "a url or a client, not both"),
        ({"client": object()}, "client must be a redis.Redis"),
        *(({"timeout": value}, "timeout must be") for value in (0, -1, NAN, INF, True, "5")),
        *(({"keep_completed": value}, "keep_completed must be a barq.Retention") for value in (5, None, "week")),
        *(({"durability": value}, "durability must be 'local', 'fsync'") for value in ("disk", "", None, 1, True)),
        ({"keep_failed": {"age": 5}}, "keep_failed must be a barq.Retention"),
        *(({"keep_events": value}, "keep_events must be") for value in (0, -1, 1.5, "10", None, True)),
        *(({"keep_logs": value}, "keep_logs must be") for value in (0, 10**7, "10")),
        *(({"max_payload": value}, "max_payload must be") for value in (0, 2**31, "1 MB")),
    ],
)
def test_bad_options_of_queues(options: dict[str, Any], says: str) -> None:
    with pytest.raises(BOTH, match=says):
        barq.Queue("q", **options)


def test_a_queue_takes_times_as_timedeltas() -> None:
    kept = barq.Retention(age=timedelta(days=7))  # type: ignore[arg-type]
    queue = barq.Queue(timeout=timedelta(seconds=3), keep_completed=kept)  # type: ignore[arg-type]
    assert kept.age == 7 * 86400
    assert queue._timeout == 3


@pytest.mark.parametrize(
    "make",
    [
        lambda: barq.Retention(age=-1),
        lambda: barq.Retention(age=NAN),
        lambda: barq.Retention(age="week"),  # type: ignore[arg-type]
        lambda: barq.Retention(count=-1),
        lambda: barq.Retention(count=1.5),  # type: ignore[arg-type]
    ],
)
def test_bad_retentions(make: Any) -> None:
    with pytest.raises(BOTH, match="of a retention must be"):
        make()


@pytest.mark.parametrize("value", [0, -1, 101, 1.5, "1", None, True])
def test_bad_numbers_of_replicas(value: Any) -> None:
    with pytest.raises(BOTH, match="replicas must be"):
        barq.replicated(value)


@pytest.mark.parametrize("value", [-1, NAN, INF, "5", None, True, timedelta(1), 10**400, 31_536_001])
def test_bad_backoffs(value: Any) -> None:
    for make in (barq.fixed, barq.exponential, lambda most: barq.exponential(1, most=most)):
        with pytest.raises(barq.InvalidValue, match="of a backoff must be"):
            make(value)
    with pytest.raises(barq.InvalidValue, match="factor of a backoff must be from 1"):
        barq.exponential(1, factor=0.5)
    with pytest.raises(barq.InvalidValue, match="jitter of a backoff must be from 0 to 1, got 2"):
        barq.fixed(1, jitter=2)


class AsClass:
    def __init__(self, job: barq.Job) -> None: ...


def as_generator(job: barq.Job) -> Any:
    yield job


async def as_async_generator(job: barq.Job) -> Any:
    yield job


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (AsClass, "must be a function, got <class"),
        (as_generator, "must not be a generator"),
        (as_async_generator, "must not be a generator"),
        ("send", "must be a function, got 'send'"),
        (5, "must be a function"),
    ],
)
def test_handlers_that_are_no_functions(function: Any, says: str) -> None:
    with pytest.raises(barq.InvalidType, match=says):
        barq.Queue().handler("email")(function)
    with pytest.raises(barq.InvalidType, match=says):
        barq.Queue().task(name="email")(function)


def test_a_type_has_one_handler() -> None:
    queue = barq.Queue()
    queue.handler("send")(send)
    for again in (queue.handler("send"), queue.task):
        with pytest.raises(barq.InvalidValue, match="type 'send' has a handler already"):
            again(send)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        *(({"concurrency": value}, "concurrency must be") for value in (0, -1, 1.5, "3", True, 10**6)),
        *(({"timeout": value}, "timeout must be") for value in (0, -1, NAN, True, "5")),
        *(({"backoff": value}, "backoff must be barq.fixed") for value in (5, "fixed")),
    ],
)
def test_bad_options_of_handlers_and_tasks(options: dict[str, Any], says: str) -> None:
    with pytest.raises(BOTH, match=says):
        barq.Queue().handler("email", **options)
    with pytest.raises(BOTH, match=says):
        barq.Queue().task(**options)(send)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"retries": 3}, "a task has no option 'retries'; options are name, concurrency"),
        ({"name": ""}, "1 to 256 bytes"),
        ({"attempts": 0}, "attempts must be"),
        ({"priority": "urgent"}, "priority must be"),
        ({"delay": -1}, "delay must be"),
        ({"title": ""}, "title must"),
        ({"durability": "disk"}, "durability must"),
        ({"wait_for_room": -1}, "wait_for_room must"),
        ({"token": "one"}, "a task has no option 'token'"),
    ],
)
def test_bad_options_of_tasks(options: dict[str, Any], says: str) -> None:
    with pytest.raises(BOTH, match=says):
        barq.Queue().task(**options)(send)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        *(({"concurrency": value}, "concurrency must be") for value in (0, -1, 1.5, "3", None, True, 10**6)),
        *(({"threads": value}, "threads must be") for value in (0, -1, "3", None)),
        *(({"children": value}, "children must be") for value in (0, -1, 1.5, "3", True)),
        *(({"lease": value}, "lease must be") for value in (0, 0.01, -1, NAN, INF, True, "30", None)),
        *(({"grace": value}, "grace must be") for value in (-1, NAN, "30", None)),
        *(({"poison": value}, "poison must be") for value in (-1, 1.5, None)),
        ({"types": ["push"]}, "type 'push' has no handler; there are email"),
        ({"types": "email"}, "types must be a list"),
        ({"types": 5}, "types must be a list"),
        ({"types": [5]}, "must be a str, got 5"),
        ({"types": []}, "no handlers"),
        ({"burst": "yes"}, "burst must be True or False"),
    ],
)
def test_bad_options_of_workers(options: dict[str, Any], says: str) -> None:
    queue = barq.Queue()
    queue.handler("email")(send)
    with pytest.raises(BOTH, match=says):
        barq.Worker(queue, **options)


def test_a_worker_needs_a_queue_with_handlers() -> None:
    with pytest.raises(barq.InvalidValue, match="the queue has no handlers"):
        barq.Worker(barq.Queue())
    with pytest.raises(barq.InvalidType, match=r"needs a barq.Queue, got 'default'"):
        barq.Worker("default")
