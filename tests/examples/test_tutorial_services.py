"""The HTTP services of the tutorial: real processes, a real server, answers to the letter."""

import asyncio
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import redis

import barq
from tests.examples.program import FOLDER, Program
from tests.support import Server, free_port, until, wait_until

SERVICES = ["set-get.py", "enqueue-status.py"]
ALICE = '{"key":"name","value":"Alice"}'
SAVED = (200, '{"message":"Key name set with value Alice","reply":"OK"}')


class Service(Program):
    """Listens on a free port of 127.0.0.1."""

    def __init__(self, file: str, redis_port: int, *arguments: str, dev: bool = False) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self.port = int(self.url.rpartition(":")[2])
        super().__init__(file, redis_port, "--port", str(self.port), *arguments, dev=dev)
        self.client = httpx.Client(base_url=self.url, timeout=5)

    def __exit__(self, *_: object) -> None:
        self.client.close()
        super().__exit__()

    def listens(self) -> "Service":
        """Wait until it answers."""
        wait_until(lambda: title_of(self) != "" or self.process.poll() is not None, f"{self.file} listens")
        assert self.process.poll() is None, self.errors
        return self


Start = Callable[..., Service]
Answer = tuple[int, str]


def get(service: Service, path: str) -> Answer:
    return seen(service.client.get(path))


def post(service: Service, path: str, body: str | bytes) -> Answer:
    return seen(service.client.post(path, content=body))


def seen(answer: httpx.Response) -> Answer:
    assert answer.headers["content-type"] == "application/json", answer.text
    return answer.status_code, answer.text


@pytest.fixture
def start(own_server: Server) -> Iterable[Start]:
    """Starts services, which are ended with the test."""
    with ExitStack() as stack:
        yield lambda file, *arguments, dev=False: stack.enter_context(
            Service(file, own_server.port, *arguments, dev=dev)
        ).listens()


@pytest.fixture(scope="module")
def calm_server(tmp_path_factory: pytest.TempPathFactory) -> Iterable[Server]:
    """One for the tests that do not trouble their server."""
    running = Server(tmp_path_factory.mktemp("server")).start()
    yield running
    running.stop()


# ---- set-get.py


@pytest.fixture(scope="module")
def keys(calm_server: Server) -> Iterable[Service]:
    with Service("set-get.py", calm_server.port) as service:
        yield service.listens()


def test_a_key_is_set_and_read(keys: Service) -> None:
    assert post(keys, "/set", ALICE) == SAVED
    assert get(keys, "/get/name") == (200, '{"key":"name","value":"Alice"}')
    assert post(keys, "/set", '{"key":"name","value":"Bob"}')[0] == 200
    assert get(keys, "/get/name") == (200, '{"key":"name","value":"Bob"}')
    assert get(keys, "/get/missing") == (404, '{"error":"Key missing not found"}')


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("1", "1"),
        ("1.5", "1.5"),
        ("true", "true"),
        ('""', ""),
        (f"{10**30}", f"{10**30}"),
        ('"é\\u0000\\n😀"', "é\0\n😀"),
    ],
)
def test_a_value_is_any_scalar(sent: str, kept: str, keys: Service) -> None:
    code, answer = post(keys, "/set", f'{{"key":"scalar","value":{sent}}}')
    assert (code, json.loads(answer)) == (200, {"message": f"Key scalar set with value {kept}", "reply": "OK"})
    assert json.loads(get(keys, "/get/scalar")[1]) == {"key": "scalar", "value": kept}


@pytest.mark.parametrize("key", ["a/b?c#d", "..", "ключ 😀", "5"])
def test_a_key_is_any_text(key: str, keys: Service) -> None:
    assert post(keys, "/set", json.dumps({"key": key, "value": 1}))[0] == 200
    code, answer = get(keys, "/get/" + "".join(f"%{byte:02x}" for byte in key.encode()))
    assert (code, json.loads(answer)) == (200, {"key": key, "value": "1"})


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("{}", "missing required field `key`"),
        ('{"value":1}', "missing required field `key`"),
        ('{"key":"a"}', "missing required field `value`"),
        ('{"key":null,"value":1}', "got `null` - at `$.key`"),
        ('{"key":"a","value":null}', "got `null` - at `$.value`"),
        ('{"key":["a"],"value":1}', "got `array` - at `$.key`"),
        ('{"key":"a","value":{"b":1}}', "got `object` - at `$.value`"),
        ('{"key":"","value":1}', "length >= 1 - at `$.key`"),
        ('{"key":"a","value":NaN}', "malformed"),
        ('{"key":"a","value":1e999}', "out of range"),
        ('{"key":"a","value":"\\ud800"}', "The body is wrong"),
        (b'{"key":"a","value":"\xff"}', "can't decode"),
        ('{"key":' + "[" * 100_000, "got `array`"),
        ("key=a&value=1", "malformed"),
        ("[]", "got `array`"),
        ("", "truncated"),
    ],
)
def test_a_wrong_body_is_refused(body: str | bytes, why: str, keys: Service) -> None:
    code, answer = post(keys, "/set", body)
    (error,) = json.loads(answer).values()
    assert (code, list(json.loads(answer))) == (422, ["error"])
    assert why in error


def test_a_key_that_holds_no_single_value(keys: Service, calm_server: Server) -> None:
    with redis.Redis.from_url(calm_server.url) as client:
        client.rpush("list", "a")
        client.set("bytes", b"\xff")
    assert get(keys, "/get/list") == (409, '{"error":"Key list holds no single value"}')
    assert get(keys, "/get/bytes")[0] == 200


def test_503_of_set_get_while_redis_is_away(start: Start, own_server: Server) -> None:
    keys = start("set-get.py")
    saving, retrieving = (503, '{"error":"Error saving to Redis"}'), (503, '{"error":"Error retrieving from Redis"}')
    assert post(keys, "/set", ALICE) == SAVED
    for go, come_back in ways_to_be_away(own_server):
        go()
        assert within_2_s(lambda: post(keys, "/set", ALICE)) == saving
        assert within_2_s(lambda: get(keys, "/get/name")) == retrieving
        come_back()
        wait_until(lambda: get(keys, "/get/name") == (200, '{"key":"name","value":"Alice"}'), "it goes on")
        assert post(keys, "/set", ALICE) == SAVED


# ---- enqueue-status.py


@pytest.fixture(scope="module")
def jobs(calm_server: Server) -> Iterable[Service]:
    with Service("enqueue-status.py", calm_server.port) as service:
        yield service.listens()


def test_jobs_are_added_and_found(start: Start) -> None:
    jobs = start("enqueue-status.py")
    for id, data in (("1", '{"to":"ann","n":[1,2.5,null]}'), ("2", "null"), ("3", '"text"')):
        added = (200, f'{{"message":"Job {id} added to the queue","jobId":"{id}"}}')
        assert post(jobs, "/enqueue", f'{{"data":{data}}}') == added
        assert get(jobs, f"/job/{id}") == (200, f'{{"id":"{id}","data":{data},"status":"waiting"}}')


@pytest.mark.parametrize(
    "id", ["999999", "0", "-1", "01", "1.0", "1_0", "abc", "%20 1", "%D9%A1", "9" * 30, "9" * 5000]
)
def test_an_unknown_job_is_not_found(id: str, jobs: Service) -> None:
    post(jobs, "/enqueue", '{"data":1}')
    code, answer = get(jobs, f"/job/{id}")
    assert (code, json.loads(answer)) == (404, {"error": f"Job {httpx.URL(f'/{id}').path[1:]} not found"})


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("{}", "missing required field `data`"),
        ('{"Data":1}', "missing required field `data`"),
        ('{"data":[{"a":9007199254740993}]}', "holds 9007199254740993, a number beyond 2^53"),
        ('{"data":-1e300}', "holds -1e+300, a number beyond 2^53"),
        ('{"data":[1e999]}', "out of range"),
        ('{"data":"\\ud800"}', "The body is wrong"),
        (b'{"data":"\xff"}', "can't decode"),
        ('{"data":' + "[" * 600 + "]" * 600 + "}", "deep"),
        ("[1]", "got `array`"),
        ("data", "malformed"),
        ("", "truncated"),
    ],
)
def test_a_wrong_order_is_refused_and_adds_nothing(body: str | bytes, why: str, jobs: Service) -> None:
    before = last_id(jobs)
    code, answer = post(jobs, "/enqueue", body)
    (error,) = json.loads(answer).values()
    assert (code, list(json.loads(answer))) == (422, ["error"])
    assert why in error
    assert last_id(jobs) == before + 1


def last_id(jobs: Service) -> int:
    code, answer = post(jobs, "/enqueue", '{"data":1}')
    assert code == 200
    return int(json.loads(answer)["jobId"])


def test_a_body_has_a_limit(jobs: Service) -> None:
    before = last_id(jobs)
    assert post(jobs, "/enqueue", f'{{"data":"{"x" * 2**20}"}}') == (
        413,
        '{"error":"A body must have at most 1048576 bytes"}',
    )
    assert last_id(jobs) == before + 1


async def test_the_status_is_true(start: Start, own_server: Server) -> None:
    jobs = await asyncio.to_thread(start, "enqueue-status.py")
    wait_until(lambda: get(jobs, "/job/1")[0] == 404, "it has reached Redis")  # it listens before
    async with barq.Queue(url=own_server.url) as queue:
        go_on = asyncio.Event()

        @queue.handler("task")
        async def process(job: barq.Job) -> str:
            await go_on.wait()
            if job.data == "never":
                raise ValueError("no")
            return "done"

        for data in ("well", "never"):
            assert (await asyncio.to_thread(post, jobs, "/enqueue", json.dumps({"data": data})))[0] == 200
        await queue.enqueue("task", "later", delay=60)
        await queue.enqueue("task", "not at all", delay=60)
        await queue.cancel(4)
        assert await are(jobs, "waiting", "waiting", "delayed", "cancelled")
        worker = barq.Worker(queue)
        working = asyncio.create_task(worker.run(signals=False))
        await until(lambda: are(jobs, "active", "active"), "both run")
        go_on.set()
        assert await (await queue.get(1)).wait(10) == "complete"
        assert await (await queue.get(2)).wait(10) == "failed"
        assert await are(jobs, "completed", "failed", "delayed", "cancelled")
        worker.stop()
        await working


async def are(jobs: Service, *statuses: str) -> bool:
    """Whether that is what it tells of jobs 1, 2, …"""
    answers = [await asyncio.to_thread(get, jobs, f"/job/{id}") for id in range(1, len(statuses) + 1)]
    return [json.loads(answer)["status"] for _, answer in answers] == list(statuses)


def test_503_of_enqueue_status_while_redis_is_away(start: Start, own_server: Server) -> None:
    jobs = start("enqueue-status.py")
    away = (503, '{"error":"Service unavailable"}')
    job_1 = (200, '{"id":"1","data":1,"status":"waiting"}')
    assert post(jobs, "/enqueue", '{"data":1}')[0] == 200
    for go, come_back in ways_to_be_away(own_server):
        go()
        assert within_2_s(lambda: post(jobs, "/enqueue", '{"data":2}')) == away
        assert within_2_s(lambda: get(jobs, "/job/1")) == away
        come_back()
        wait_until(lambda: get(jobs, "/job/1") == job_1, "it goes on")
        assert post(jobs, "/enqueue", '{"data":3}')[0] == 200


# ---- both


def ways_to_be_away(server: Server) -> Iterable[tuple[Callable[[], object], Callable[[], object]]]:
    """Dead; and hanging, which nobody notices but by waiting."""
    yield server.kill, server.start
    assert server.process is not None
    hanging = server.process
    yield lambda: hanging.send_signal(signal.SIGSTOP), lambda: hanging.send_signal(signal.SIGCONT)


def within_2_s(ask: Callable[[], Answer]) -> Answer:
    began = time.monotonic()
    answer = ask()
    assert time.monotonic() - began < 2
    return answer


@pytest.mark.parametrize("file", SERVICES)
def test_json_also_where_something_is_wrong(file: str, start: Start) -> None:
    service = start(file)
    place = {"set-get.py": "/set", "enqueue-status.py": "/enqueue"}[file]
    not_found = (404, '{"error":"Not found"}')
    assert get(service, "/") == get(service, "/nothing") == get(service, f"{place}/") == not_found
    assert get(service, place) == (405, '{"error":"Method not allowed"}')
    assert service.client.get(place).headers["allow"] == "POST"
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
        answer = service.client.request(method, place)
        assert (answer.status_code, answer.json()) == (405, {"error": "Method not allowed"})
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(b"this is not HTTP\r\n\r\n")
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert list(json.loads(body).values()) == ["Bad request"]


@pytest.mark.parametrize("file", SERVICES)
def test_who_hangs_up_while_sending_does_no_harm(file: str, start: Start) -> None:
    service = start(file)
    place = {"set-get.py": "/set", "enqueue-status.py": "/enqueue"}[file]
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(f"POST {place} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{{".encode())
    assert get(service, "/nothing")[0] == 404
    assert service.interrupt() in (0, 130)


@pytest.mark.parametrize("file", SERVICES)
def test_server_last(file: str, start: Start, own_server: Server) -> None:
    own_server.stop()
    service = start(file)
    place, body = {"set-get.py": ("/set", ALICE), "enqueue-status.py": ("/enqueue", '{"data":1}')}[file]
    assert within_2_s(lambda: post(service, place, body))[0] == 503
    own_server.start()
    wait_until(lambda: post(service, place, body)[0] == 200, "it goes on")


@pytest.mark.parametrize("file", SERVICES)
def test_ctrl_c(file: str, start: Start, own_server: Server) -> None:
    service = start(file)
    assert service.interrupt() == 0
    assert service.lines == []
    lost = start(file)
    own_server.kill()
    assert get(lost, "/job/1" if file == "enqueue-status.py" else "/get/name")[0] == 503
    assert lost.interrupt() == 0


@pytest.mark.parametrize("file", SERVICES)
def test_it_listens_where_it_is_told(file: str, own_server: Server) -> None:
    port = str(free_port())
    with Program(file, own_server.port, PORT=port) as service:
        service.says(f"running on http://127.0.0.1:{port} ")
        assert httpx.get(f"http://127.0.0.1:{port}/openapi.json").is_success
        assert service.interrupt() == 0
    with Program(file, own_server.port, "--port", port, "--host", "localhost", PORT="1") as service:
        service.says(f"running on http://localhost:{port} ")
        assert httpx.get(f"http://localhost:{port}/openapi.json").is_success
    with Program(file, own_server.port, "--help") as told:
        assert "(default PORT, or 3000)" in " ".join(told.ends())


@pytest.mark.parametrize("file", SERVICES)
def test_barq_dev_reloads_it(file: str, start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "programs"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    service = start(folder / file, dev=True)
    title = service.client.get("/openapi.json").json()["info"]["title"]
    text = (folder / file).read_text()
    (folder / file).write_text(text.replace(f'service("{title}"', f'service("{title} of mine"'))
    service.says(f"{file} changed, restarting")
    wait_until(lambda: title_of(service) == f"{title} of mine", "the new one answers")
    assert service.interrupt() == 130
    assert not any("Traceback" in line for line in service.errors)


def title_of(service: Service) -> str:
    try:
        return str(service.client.get("/openapi.json").json()["info"]["title"])
    except httpx.TransportError:
        return ""


# ---- as its OpenAPI document says


@pytest.mark.parametrize("file", SERVICES)
def test_it_does_as_its_document_says(file: str, start: Start, tmp_path: Path) -> None:
    """Schemathesis asks it all that it can think of, right and wrong."""
    service = start(file)
    found = subprocess.run(
        [Path(sys.executable).parent / "schemathesis", "run", f"{service.url}/openapi.json", "--max-examples=10"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert found.returncode == 0, found.stdout
    assert "2 selected / 2 total" in found.stdout
    assert "No issues found" in found.stdout
    assert not [line for line in service.errors if "Traceback" in line]
