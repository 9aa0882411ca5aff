"""Tasks 1 to 5: real programs, a real server, whole transcripts."""

import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack

import pytest
import redis

from tests.examples.program import Program
from tests.support import Server, free_port, wait_until

CONNECTED = "Redis client connected to the server"
SCHOOLS = "{'Portland': '50', 'Seattle': '80', 'New York': '20', 'Bogota': '20', 'Cali': '40', 'Paris': '2'}"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
CHANNEL = "holberton school channel"
RECEIVED = ["Holberton Student #1 starts course", "Holberton Student #2 starts course", "KILL_SERVER"]
SENT = [f"About to send {message}" for message in [*RECEIVED, "Holberton Student #3 starts course"]]

# What each prints on a server with Holberton=School, to its end or until it only stays connected.
TRANSCRIPTS = {
    "0-redis_client.py": [CONNECTED],
    "1-redis_op.py": [CONNECTED, "School", "Reply: OK", "100"],
    "2-redis_op_async.py": [CONNECTED, "School", "Reply: OK", "100"],
    "4-redis_advanced_op.py": [CONNECTED, *["Reply: 1"] * 6, SCHOOLS],
    "5-subscriber.py": [CONNECTED],
    "5-publisher.py": [CONNECTED, *SENT],
}
FILES = list(TRANSCRIPTS)
STAYING = [file for file in FILES if file != "5-publisher.py"]

Start = Callable[..., Program]


@pytest.fixture
def start(own_server: Server) -> Iterator[Start]:
    """Starts programs, which are ended with the test."""
    with ExitStack() as stack:
        yield lambda file, **how: stack.enter_context(Program(file, own_server.port, **how))


@pytest.fixture
def client(own_server: Server) -> Iterator["redis.Redis"]:
    """Asks the server, on which Holberton is School."""
    with redis.Redis.from_url(own_server.url, decode_responses=True) as made:
        made.set("Holberton", "School")
        yield made


def attempts(lines: Iterable[str]) -> list[str]:
    return [line for line in lines if re.fullmatch(r"Redis client not connected to the server: .+", line)]


def others(program: Program) -> list[str]:
    return [line for line in program.lines if line not in attempts(program.lines)]


def fails(program: Program, times: int = 1) -> None:
    """Wait until it has said so often that it can't connect."""
    wait_until(lambda: len(attempts(program.lines)) >= times, f"{program.file} fails to connect: {program.lines}")


def has_connected(program: Program, times: int) -> None:
    wait_until(lambda: program.lines.count(CONNECTED) >= times, f"{program.file} connects again: {program.lines}")


# ---- what they print


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("dev", [False, True], ids=["python", "barq dev"])
@pytest.mark.parametrize("file", FILES)
def test_transcript(file: str, dev: bool, start: Start) -> None:
    program = start(file, dev=dev)
    expected = TRANSCRIPTS[file]
    if file in STAYING:
        program.has_printed(len(expected))
        assert program.process.poll() is None
    elif dev:
        program.says("[barq dev] clean exit - waiting for changes before restart")
    else:
        assert program.ends() == expected
        return
    assert program.interrupt() == 130
    assert program.lines == expected


@pytest.mark.parametrize("file", ["1-redis_op.py", "2-redis_op_async.py"])
def test_a_missing_key_is_none(file: str, start: Start) -> None:
    assert start(file).has_printed(4).lines == [CONNECTED, "None", "Reply: OK", "100"]


def test_4_has_nothing_new_to_write_at_the_second_run(start: Start, client: "redis.Redis") -> None:
    start("4-redis_advanced_op.py").has_printed(8)
    assert start("4-redis_advanced_op.py").has_printed(8).lines == [CONNECTED, *["Reply: 0"] * 6, SCHOOLS]
    assert client.hlen("HolbertonSchools") == 6


@pytest.mark.parametrize("file", ["1-redis_op.py", "2-redis_op_async.py"])
def test_error_replies_of_a_key_are_printed(file: str, start: Start, client: "redis.Redis") -> None:
    client.delete("Holberton")
    client.rpush("Holberton", "School")
    client.rpush("HolbertonSanFrancisco", "100")
    client.acl_setuser("default", enabled=True, commands=["-set"])
    first, second, refused, last = start(file).has_printed(4).lines
    assert (first, second, last) == (CONNECTED, WRONG_TYPE, WRONG_TYPE)
    assert refused.endswith(" has no permissions to run the 'set' command")


def test_error_replies_of_a_hash_are_printed(start: Start, client: "redis.Redis") -> None:
    client.set("HolbertonSchools", "no hash")
    program = start("4-redis_advanced_op.py").has_printed(8)
    assert program.lines == [CONNECTED, *[WRONG_TYPE] * 7]
    assert program.interrupt() == 130


# ---- publisher and subscriber


@pytest.mark.parametrize("dev", [False, True], ids=["python", "barq dev"])
def test_5_together(dev: bool, start: Start, client: "redis.Redis") -> None:
    subscribers = [start("5-subscriber.py", dev=dev).has_printed(1) for _ in range(2)]
    client.publish("another channel", "not for them")
    publisher = start("5-publisher.py", dev=dev)
    for program in (publisher, *subscribers):
        if dev:
            program.says("[barq dev] clean exit - waiting for changes before restart")
            assert program.interrupt() == 130
        else:
            program.ends()
    assert publisher.lines == [CONNECTED, *SENT]
    assert [subscriber.lines for subscriber in subscribers] == [[CONNECTED, *RECEIVED]] * 2


def test_5_a_message_takes_its_time(start: Start) -> None:
    publisher = start("5-publisher.py").has_printed(1)
    begin = time.monotonic()
    for number in range(1, 5):
        publisher.has_printed(number + 1)
        assert time.monotonic() - begin > number * 0.1 - 0.05  # has_printed looks every 0.01 s
    publisher.ends()
    assert time.monotonic() - begin < 5


def test_5_the_subscriber_goes_on_after_a_restart(start: Start, own_server: Server, client: "redis.Redis") -> None:
    subscriber = start("5-subscriber.py").has_printed(1)
    client.publish(CHANNEL, "before")
    assert subscriber.has_printed(2).lines == [CONNECTED, "before"]
    own_server.kill()
    fails(subscriber)
    own_server.start()
    has_connected(subscriber, 2)
    start("5-publisher.py").ends()
    subscriber.ends()
    assert others(subscriber) == [CONNECTED, "before", CONNECTED, *RECEIVED]


def test_5_refusals_are_told(start: Start, client: "redis.Redis") -> None:
    client.acl_setuser("default", enabled=True, commands=["-subscribe", "-publish"])
    subscriber, publisher = start("5-subscriber.py"), start("5-publisher.py")
    fails(subscriber, times=2)
    assert subscriber.lines == attempts(subscriber.lines)
    assert all(line.endswith(" has no permissions to run the 'subscribe' command") for line in subscriber.lines)
    assert publisher.process.wait(20) == 1
    publisher.says(" has no permissions to run the 'publish' command")
    assert [line for line in publisher.errors if not line.startswith("Not published: ")] == []


# ---- without a server


@pytest.mark.parametrize("file", FILES)
def test_server_last(file: str, start: Start, own_server: Server, client: "redis.Redis") -> None:
    client.close()
    own_server.stop()
    program = start(file)
    fails(program, times=3)
    assert program.lines == attempts(program.lines)
    assert all(f" connecting to 127.0.0.1:{own_server.port}. " in line for line in program.lines[:3])
    own_server.start()
    expected = TRANSCRIPTS[file]
    wait_until(lambda: len(others(program)) >= len(expected), f"{file} goes on: {program.lines}")
    if file in STAYING:
        assert program.interrupt() == 130
    else:
        program.ends()
    assert others(program) == expected
    assert program.lines == [*attempts(program.lines), *expected]


def test_1_the_delay_grows_from_a_fifth_of_a_second_by_about_1_7() -> None:
    with Program("0-redis_client.py", free_port()) as program:
        times = []
        for number in range(1, 7):
            program.has_printed(number)
            times.append(time.monotonic())
        for number in range(5):
            delay = 0.2 * 1.7**number
            assert (
                delay - 0.05 < times[number + 1] - times[number] < delay * 1.6 + 0.2
            )  # has_printed looks every 0.01 s


@pytest.mark.parametrize("file", STAYING)
def test_server_killed_and_started_again_and_again(
    file: str, start: Start, own_server: Server, client: "redis.Redis"
) -> None:
    expected = TRANSCRIPTS[file]
    program = start(file).has_printed(len(expected))
    client.close()
    own_server.kill()
    fails(program, times=2)
    own_server.start()
    has_connected(program, 2)
    own_server.kill()
    own_server.start()  # at once: perhaps no attempt fails
    has_connected(program, 3)
    assert program.interrupt() == 130
    assert others(program) == [*expected, CONNECTED, CONNECTED]


@pytest.mark.parametrize(
    ("file", "command", "before"),
    [("1-redis_op.py", "set", 2), ("2-redis_op_async.py", "set", 2), ("4-redis_advanced_op.py", "hset", 1)],
)
def test_server_killed_while_it_is_asked(
    file: str, command: str, before: int, start: Start, own_server: Server, client: "redis.Redis"
) -> None:
    client.execute_command("CLIENT", "PAUSE", 60_000, "WRITE")
    program = start(file)
    wait_until(lambda: asks(client, command), f"{file} asks")
    expected = TRANSCRIPTS[file]
    assert program.has_printed(before).lines == expected[:before]
    own_server.kill()
    fails(program)
    own_server.start()
    wait_until(lambda: len(others(program)) > len(expected), f"{file} goes on: {program.lines}")
    assert program.interrupt() == 130
    assert others(program) == [*expected[:before], CONNECTED, *expected[before:]]


def test_5_server_killed_while_the_publisher_publishes(start: Start, own_server: Server, client: "redis.Redis") -> None:
    client.execute_command("CLIENT", "PAUSE", 60_000, "WRITE")
    publisher = start("5-publisher.py")
    wait_until(lambda: asks(client, "publish"), "the publisher asks")
    assert publisher.has_printed(5).lines == [CONNECTED, *SENT]
    own_server.kill()
    fails(publisher)
    own_server.start()
    publisher.ends()
    assert others(publisher) == [CONNECTED, *SENT, CONNECTED]
    assert client.info("commandstats")["cmdstat_publish"]["calls"] == 4


def asks(client: "redis.Redis", command: str) -> bool:
    return any(other["cmd"] == command for other in client.client_list())


def test_1_a_server_that_hangs_is_missed(start: Start, own_server: Server) -> None:
    program = start("0-redis_client.py").has_printed(1)
    assert own_server.process is not None
    own_server.process.send_signal(signal.SIGSTOP)
    try:
        fails(program)
    finally:
        own_server.process.send_signal(signal.SIGCONT)
    has_connected(program, 2)
    assert others(program) == [CONNECTED, CONNECTED]


# ---- Ctrl-C


@pytest.mark.parametrize("file", FILES)
def test_ctrl_c_while_it_waits_for_the_server(file: str) -> None:
    with Program(file, free_port()) as program:
        fails(program)
        assert program.interrupt() == 130
        assert program.lines == attempts(program.lines)


@pytest.mark.parametrize("file", STAYING)
def test_ctrl_c_after_it_lost_its_server(file: str, start: Start, own_server: Server) -> None:
    program = start(file).has_printed(len(TRANSCRIPTS[file]))
    own_server.kill()
    fails(program)
    assert program.interrupt() == 130


# ---- the server's URL


@pytest.mark.parametrize("url", ["valkey://127.0.0.1:{}", "redis://127.0.0.1:{}/3"])
def test_url_of_the_server(url: str, own_server: Server) -> None:
    with Program("1-redis_op.py", url.format(own_server.port)) as program:
        assert program.has_printed(4).lines == [CONNECTED, "None", "Reply: OK", "100"]


def test_barq_url_goes_before_redis_url(own_server: Server) -> None:
    with Program("0-redis_client.py", free_port(), BARQ_URL=own_server.url) as program:
        assert program.has_printed(1).lines == [CONNECTED]


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:6379", "http://127.0.0.1", "redis://user:pass/word@127.0.0.1", "redis://127.0.0.1:x", "redis://h?no=1"],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with Program("0-redis_client.py", url) as program:
        assert program.process.wait(20) == 1
        program.says("BARQ_URL or REDIS_URL must be a URL such as redis://127.0.0.1:6379")
    assert len(program.errors) == 1
    assert program.lines == []
