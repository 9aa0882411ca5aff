"""Tasks 6, 7 and 8: real programs, a real server, whole transcripts."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import pytest

import barq
from tests.examples.program import FOLDER, Program
from tests.support import Server, free_port, wait_until

SENDING_6 = "Sending notification to 4153518780, with message: This is the code to verify your account"

JOBS_7 = [
    ("4153518780", 1234),
    ("4153518781", 4562),
    ("4153518743", 4321),
    ("4153538781", 4562),
    ("4153118782", 4321),
    ("4153718781", 4562),
    ("4159518782", 4321),
    ("4158718781", 4562),
    ("4153818782", 4321),
    ("4154318781", 4562),
    ("4151218782", 4321),
]
SENDING_7 = [
    f"Sending notification to {number}, with message: This is the code {code} to verify your account"
    for number, code in JOBS_7[2:]
]

CREATED_7 = [f"Notification job created: {id}" for id in range(39, 50)]
EVENTS_7 = [
    "Notification job 39 0% complete",
    "Notification job 40 0% complete",
    "Notification job 39 failed: Phone number 4153518780 is blacklisted",
    "Notification job 40 failed: Phone number 4153518781 is blacklisted",
    "Notification job 41 0% complete",
    "Notification job 41 50% complete",
    "Notification job 42 0% complete",
    "Notification job 42 50% complete",
    "Notification job 41 completed",
    "Notification job 42 completed",
    "Notification job 43 0% complete",
    "Notification job 43 50% complete",
    "Notification job 44 0% complete",
    "Notification job 44 50% complete",
    "Notification job 43 completed",
    "Notification job 44 completed",
    "Notification job 45 0% complete",
    "Notification job 45 50% complete",
    "Notification job 46 0% complete",
    "Notification job 46 50% complete",
    "Notification job 45 completed",
    "Notification job 46 completed",
    "Notification job 47 0% complete",
    "Notification job 47 50% complete",
    "Notification job 48 0% complete",
    "Notification job 48 50% complete",
    "Notification job 47 completed",
    "Notification job 48 completed",
    "Notification job 49 0% complete",
    "Notification job 49 50% complete",
    "Notification job 49 completed",
]
TRANSCRIPT_7 = [*CREATED_7, *EVENTS_7]

Start = Callable[[str], Program]


@pytest.fixture
def start(own_server: Server) -> Iterable[Start]:
    """Starts programs, which are ended with the test."""
    with ExitStack() as stack:
        yield lambda file: stack.enter_context(Program(file, own_server.port))


@pytest.fixture
def used_server(own_server: Server) -> Server:
    """A server on which 38 jobs were created."""

    async def use() -> None:
        async with barq.Queue(url=own_server.url) as queue:
            await queue.enqueue_many("other", range(38))

    asyncio.run(use())
    return own_server


def restart(server: Server) -> None:
    server.kill()
    server.start()


# ---- 6


def test_6_creator_first(start: Start) -> None:
    creator = start("6-job_creator.py").has_printed(1)
    assert creator.lines == ["Notification job created: 1"]
    processor = start("6-job_processor.py")
    assert creator.ends() == ["Notification job created: 1", "Notification job completed"]
    assert processor.interrupt() == 0
    assert processor.lines == [SENDING_6]


def test_6_processor_first_and_one_creator_after_the_other(start: Start, own_server: Server) -> None:
    processor = start("6-job_processor.py")
    working(own_server)
    for id in (1, 2, 3):
        assert start("6-job_creator.py").ends() == [f"Notification job created: {id}", "Notification job completed"]
    assert processor.interrupt() == 0
    assert processor.lines == [SENDING_6] * 3


def test_6_server_last(start: Start, own_server: Server) -> None:
    own_server.stop()
    creator, processor = start("6-job_creator.py"), start("6-job_processor.py")
    assert creator.complains().lines == processor.complains().lines == []
    own_server.start()
    assert creator.ends() == ["Notification job created: 1", "Notification job completed"]
    assert processor.interrupt() == 0
    assert processor.lines == [SENDING_6]


def test_6_server_killed_while_the_job_waits(start: Start, own_server: Server) -> None:
    creator = start("6-job_creator.py").has_printed(1)
    restart(own_server)
    processor = start("6-job_processor.py")
    assert creator.ends() == ["Notification job created: 1", "Notification job completed"]
    assert processor.interrupt() == 0
    assert processor.lines == [SENDING_6]


def test_6_server_killed_while_the_processor_waits(start: Start, own_server: Server) -> None:
    processor = start("6-job_processor.py")
    working(own_server)
    own_server.kill()
    creator = start("6-job_creator.py").complains()
    processor.complains()
    own_server.start()
    assert creator.ends() == ["Notification job created: 1", "Notification job completed"]
    assert processor.interrupt() == 0
    assert processor.lines == [SENDING_6]


def test_6_a_job_whose_creator_is_gone_is_processed_all_the_same(start: Start) -> None:
    creator = start("6-job_creator.py").has_printed(1)
    assert creator.interrupt() == 130
    assert start("6-job_processor.py").has_printed(1).lines == [SENDING_6]


def test_6_several_creators_at_once(start: Start) -> None:
    creators = [start("6-job_creator.py") for _ in range(4)]
    processor = start("6-job_processor.py")
    firsts = {creator.ends()[0] for creator in creators}
    assert firsts == {f"Notification job created: {id}" for id in (1, 2, 3, 4)}
    assert all(creator.lines[1:] == ["Notification job completed"] for creator in creators)
    assert processor.has_printed(4).lines == [SENDING_6] * 4


# ---- 7


@pytest.mark.usefixtures("used_server")
def test_7_creator_first(start: Start) -> None:
    creator = start("7-job_creator.py").has_printed(11)
    assert creator.lines == CREATED_7
    processor = start("7-job_processor.py")
    assert creator.ends() == TRANSCRIPT_7
    assert processor.interrupt() == 0
    assert processor.lines == SENDING_7


def test_7_processor_first(start: Start, used_server: Server) -> None:
    processor = start("7-job_processor.py")
    working(used_server)
    assert start("7-job_creator.py").ends() == TRANSCRIPT_7
    assert processor.interrupt() == 0
    assert processor.lines == SENDING_7


def test_7_server_last(start: Start, used_server: Server) -> None:
    used_server.stop()
    creator, processor = start("7-job_creator.py"), start("7-job_processor.py")
    assert creator.complains().lines == processor.complains().lines == []
    used_server.start()
    assert creator.ends() == TRANSCRIPT_7
    assert processor.interrupt() == 0
    assert processor.lines == SENDING_7


@pytest.mark.parametrize("lines", [11, 13, 20, 30])
def test_7_server_killed_after_so_many_lines(lines: int, start: Start, used_server: Server) -> None:
    creator = start("7-job_creator.py").has_printed(11)
    processor = start("7-job_processor.py")
    while len(creator.lines) < lines:
        pass  # the rest takes some milliseconds: no time to sleep
    restart(used_server)
    assert creator.ends() == TRANSCRIPT_7
    assert processor.interrupt() == 0
    assert processor.lines == SENDING_7


def test_7_several_creators_at_once(start: Start) -> None:
    processor = start("7-job_processor.py")
    creators = [start("7-job_creator.py") for _ in range(3)]
    firsts = []
    for creator in creators:
        lines = creator.ends()
        first = int(lines[0].removeprefix("Notification job created: "))
        firsts.append(first)
        at_39 = [_renumbered(line, by=39 - first) for line in lines]
        assert at_39[:11] == CREATED_7
        assert sorted(at_39) == sorted(TRANSCRIPT_7)
        for id in range(39, 50):  # two of another creator's may stand between, but each job's own life is in order
            assert _of(id, at_39) == _of(id, TRANSCRIPT_7)
    assert sorted(firsts) == [1, 12, 23]
    assert sorted(processor.has_printed(27).lines) == sorted(SENDING_7 * 3)


@pytest.mark.usefixtures("used_server")
def test_7_two_processors_share_the_jobs(start: Start) -> None:
    processors = [start("7-job_processor.py"), start("7-job_processor.py")]
    lines = start("7-job_creator.py").ends()
    assert lines[:11] == CREATED_7
    assert sorted(lines) == sorted(TRANSCRIPT_7)
    for id in range(39, 50):
        assert _of(id, lines) == _of(id, TRANSCRIPT_7)
    assert [processor.interrupt() for processor in processors] == [0, 0]
    assert sorted(line for processor in processors for line in processor.lines) == sorted(SENDING_7)


def _renumbered(line: str, *, by: int) -> str:
    return " ".join(str(int(word) + by) if word.isdecimal() and len(word) < 9 else word for word in line.split(" "))


def _of(id: int, lines: list[str]) -> list[str]:
    return [line for line in lines if str(id) in line.split(" ")]


# ---- 8


async def test_8_main_tells_the_life_of_its_job(start: Start, own_server: Server) -> None:
    async with barq.Queue(url=own_server.url) as queue:

        @queue.handler("push_notification_code_3")
        async def process(job: barq.Job) -> None:
            assert job.data == {
                "phoneNumber": "4153518780",
                "message": "This is the code 1234 to verify your account",
            }
            job.progress(1, 4)

        main = await asyncio.to_thread(lambda: start("8-job-main.py").has_printed(1))
        await barq.Worker(queue, burst=True).run(signals=False)
        assert await asyncio.to_thread(main.ends) == [
            "Notification job created: 1",
            "Notification job 1 25% complete",
            "Notification job 1 completed",
        ]


async def test_8_main_tells_a_failure(start: Start, own_server: Server) -> None:
    async with barq.Queue(url=own_server.url) as queue:

        @queue.handler("push_notification_code_3")
        async def process(_job: barq.Job) -> None:
            raise ValueError("no signal")

        main = await asyncio.to_thread(lambda: start("8-job-main.py").has_printed(1))
        await barq.Worker(queue, burst=True).run(signals=False)
        assert await asyncio.to_thread(main.ends) == [
            "Notification job created: 1",
            "Notification job 1 failed: no signal",
        ]


@pytest.mark.parametrize("runner", [[], ["-m", "pytest", "-q", "-p", "no:cacheprovider"]])
def test_8_tests_pass_without_a_server(runner: list[str], tmp_path: Path) -> None:
    environment = {**os.environ, "REDIS_URL": f"redis://127.0.0.1:{free_port()}", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *runner, str(FOLDER / "8-job_test.py")],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "OK" in done.stderr if not runner else "3 passed" in done.stdout


# ---- Ctrl-C

CREATORS = ["6-job_creator.py", "7-job_creator.py", "8-job-main.py"]
PROCESSORS = ["6-job_processor.py", "7-job_processor.py"]


@pytest.mark.parametrize("file", [*CREATORS, *PROCESSORS])
def test_ctrl_c_while_it_waits_for_the_server(file: str) -> None:
    with Program(file, free_port()) as program:
        assert program.complains().interrupt() == (130 if file in CREATORS else 0)
        assert program.lines == []


@pytest.mark.parametrize("file", CREATORS)
def test_ctrl_c_while_a_creator_waits_for_its_jobs(file: str, start: Start) -> None:
    assert start(file).has_printed(1).interrupt() == 130


@pytest.mark.parametrize("file", PROCESSORS)
def test_ctrl_c_while_a_processor_waits_for_jobs(file: str, start: Start, own_server: Server) -> None:
    processor = start(file)
    working(own_server)
    assert processor.interrupt() == 0


@pytest.mark.parametrize("file", CREATORS)
def test_ctrl_c_of_a_creator_that_lost_its_server(file: str, start: Start, own_server: Server) -> None:
    creator = start(file).has_printed(1)
    own_server.kill()
    assert creator.complains().interrupt() == 130


@pytest.mark.parametrize("file", PROCESSORS)
def test_ctrl_c_of_a_processor_that_lost_its_server(file: str, start: Start, own_server: Server) -> None:
    processor = start(file)
    working(own_server)
    own_server.kill()
    assert processor.complains().interrupt() == 0


def working(server: Server) -> None:
    """Wait until a processor has told the server that it lives."""

    async def alive() -> bool:
        async with barq.Queue(url=server.url) as queue:
            return bool(await queue.workers())

    wait_until(lambda: asyncio.run(alive()), "a processor works")
