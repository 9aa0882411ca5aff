"""The email program of the tutorial: a real process, a real server, whole transcripts."""

import asyncio
import signal
from collections.abc import Callable, Iterable
from contextlib import ExitStack

import pytest

import barq
from tests.examples.program import Program
from tests.support import Server, free_port, wait_until

ANN = "ann@example.org"
Email = Callable[..., Program]


@pytest.fixture
def email(own_server: Server) -> Iterable[Email]:
    """Starts the program, which is ended with the test."""
    with ExitStack() as stack:
        yield lambda *to: stack.enter_context(Program("kue-email.py", own_server.port, *to))


def sent(id: int, to: str = ANN) -> list[str]:
    return [
        f"Job created: {id}",
        f"Processing job {id}: sending email to {to}",
        f"Email sent to {to}",
        f"Job {id} completed with result: accepted for {to}",
    ]


def in_vain(id: int, to: str) -> list[str]:
    processing, why = f"Processing job {id}: sending email to {to}", f"{to} is not an email address"
    return [
        f"Job created: {id}",
        *[processing, f"Job failed with error: {why}"] * 2,
        *[processing, f"Job failed with error after all attempts: {why}"],
    ]


def test_an_email_is_sent(email: Email) -> None:
    program = email().has_printed(4)
    assert program.interrupt() == 0
    assert program.lines == sent(1)
    program = email("bob@example.org").has_printed(4)
    assert program.interrupt() == 0
    assert program.lines == sent(2, "bob@example.org")


def test_three_attempts_are_made(email: Email, own_server: Server) -> None:
    program = email("nobody").has_printed(7)
    assert program.interrupt() == 0
    assert program.lines == in_vain(1, "nobody")
    assert counts(own_server)["failed"] == 1


def test_an_attempt_may_succeed_after_another_one_failed(email: Email, own_server: Server) -> None:
    """What is repaired in time is sent: the first attempt was made by a worker that refused it."""
    program = email("nobody").has_printed(3)
    program.process.kill()
    asyncio.run(work_off(own_server))
    assert counts(own_server)["completed"] == 1


async def work_off(server: Server) -> None:
    async with barq.Queue(url=server.url) as queue:

        @queue.handler("email")
        async def process(job: barq.Job) -> str:
            return f"accepted for {job.data['to']}@example.org"

        job = await queue.get(1)
        assert (job.data, job.attempts, job.failures) == (
            {"to": "nobody", "title": "Welcome", "template": "welcome-email"},
            3,
            1,
        )
        worker = barq.Worker(queue)
        working = asyncio.create_task(worker.run(signals=False))
        assert await job.result(timeout=20) == "accepted for nobody@example.org"
        worker.stop()
        await working


def test_server_last(email: Email, own_server: Server) -> None:
    own_server.stop()
    program = email().complains()
    assert program.lines == []
    own_server.start()
    assert program.has_printed(4).interrupt() == 0
    assert program.lines == sent(1)


def test_server_killed_while_the_email_is_sent(email: Email, own_server: Server) -> None:
    program = email().has_printed(2)
    own_server.kill()
    own_server.start()
    assert program.has_printed(4).interrupt() == 0
    assert program.lines == sent(1)


def test_server_away_when_the_email_is_sent(email: Email, own_server: Server) -> None:
    program = email().has_printed(2)
    own_server.kill()
    assert program.has_printed(3).complains().lines == sent(1)[:3]
    own_server.start()
    assert program.has_printed(4).interrupt() == 0
    assert program.lines == sent(1)


def test_server_killed_between_two_attempts(email: Email, own_server: Server) -> None:
    program = email("nobody").has_printed(3)
    own_server.kill()
    own_server.start()
    assert program.has_printed(7).interrupt() == 0
    assert program.lines == in_vain(1, "nobody")


def test_the_email_of_a_killed_program_is_sent_by_another_one(email: Email) -> None:
    email().has_printed(2).process.kill()
    other = email("bob@example.org").has_printed(6)
    assert other.interrupt() == 0
    assert [line for line in other.lines if line in sent(2, "bob@example.org")] == sent(2, "bob@example.org")
    assert [line for line in other.lines if line in sent(1)] == sent(1)[1:3]


def test_two_programs_share_their_emails(email: Email) -> None:
    programs = [email("one@example.org"), email("two@example.org")]
    lines = programs[0].lines, programs[1].lines
    wait_until(lambda: sum(map(len, lines)) == 8, "both emails are sent")
    assert [program.interrupt() for program in programs] == [0, 0]
    ids = {program.lines[0]: to for program, to in zip(programs, ("one", "two"), strict=True)}
    expected = [line for created, to in ids.items() for line in sent(int(created[-1]), f"{to}@example.org")]
    assert sorted(lines[0] + lines[1]) == sorted(expected)


def test_ctrl_c_while_an_email_is_sent_lets_it_be_sent(email: Email, own_server: Server) -> None:
    program = email().has_printed(2)
    assert program.interrupt() == 0
    assert program.lines[:3] == sent(1)[:3]
    assert counts(own_server)["completed"] == 1


def test_ctrl_c_between_two_attempts_leaves_the_job_to_the_next_start(email: Email, own_server: Server) -> None:
    program = email("nobody").has_printed(3)
    assert program.interrupt() == 0
    assert counts(own_server)["delayed"] == 1
    other = email().has_printed(6)
    assert other.interrupt() == 0
    assert [line for line in other.lines if line in sent(2)] == sent(2)
    assert other.lines.count("Processing job 1: sending email to nobody") == 2
    assert counts(own_server) == {**dict.fromkeys(map(str, barq.State), 0), "completed": 1, "failed": 1}


def test_ctrl_c_while_it_waits_for_the_server() -> None:
    with Program("kue-email.py", free_port()) as program:
        assert program.complains().interrupt() == 130
        assert program.lines == []


def test_sigterm_ends_it_as_well(email: Email) -> None:
    program = email().has_printed(4)
    program.process.send_signal(signal.SIGTERM)
    assert program.ends() == sent(1)


def counts(server: Server) -> dict[str, int]:
    async def ask() -> dict[str, int]:
        async with barq.Queue(url=server.url) as queue:
            return await queue.counts("email")

    return asyncio.run(ask())
