"""`barq logs`: what is kept, what is added, and how it ends."""

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path

import barq
import barq.sync
from tests.cli.support import Cli

Work = Callable[[], None]
MISSING = 999_999_999

TALKER = """
import asyncio
import barq

queue = barq.Queue({name!r})

@queue.handler("talk")
async def talk(job: barq.Job) -> None:
    for number in range(3):
        await job.log(f"before {{number}}")
    while not queue_open():
        await asyncio.sleep(0.01)
    for number in range(3):
        await job.log(f"after {{number}}")

def queue_open() -> bool:
    import pathlib
    return pathlib.Path("open").exists()
"""


def test_logs_prints_the_lines_with_their_times(cli: Cli, jobs: barq.sync.Queue, work: Work) -> None:
    job = jobs.enqueue("boom")
    assert (cli("logs", job.id).code, cli("logs", job.id).out) == (0, "")
    work()
    done = cli("logs", job.id)
    assert (done.code, done.err) == (0, "")
    time, line = done.out.strip().split("  ")
    assert (line, len(time)) == ("about to fail", len("12:34:56.789"))
    told = cli("logs", job.id, "--json").json
    assert told["text"] == "about to fail"
    assert told["at"].endswith("Z")


def test_follow_tells_each_line_once_until_the_job_ends(
    cli: Cli, jobs: barq.sync.Queue, name: str, tmp_path: Path
) -> None:
    (tmp_path / "talker.py").write_text(TALKER.format(name=name))
    job = jobs.enqueue("talk")
    with cli.started("worker", "talker"), cli.started("logs", job.id, "-f", "--json") as followed:
        followed.prints("before 2")
        (tmp_path / "open").touch()
        assert followed.end() == 0
    told = [json.loads(line)["text"] for line in followed.out.decode().splitlines()]
    assert told == [*(f"before {number}" for number in range(3)), *(f"after {number}" for number in range(3))]
    assert followed.err.decode() == f"barq: job {job.id} (talk) completed\n"


def test_follow_of_a_job_that_has_ended_ends(cli: Cli, jobs: barq.sync.Queue, work: Work) -> None:
    job = jobs.enqueue("boom")
    work()
    done = cli("logs", job.id, "--follow")
    assert (done.code, done.out.count("about to fail"), done.complaint) == (0, 1, f"job {job.id} (boom) failed")


def test_ctrl_c_ends_it(cli: Cli, jobs: barq.sync.Queue, work: Work) -> None:
    job = jobs.enqueue("boom", attempts=2, backoff=barq.fixed(3600))
    work()
    with cli.started("logs", job.id, "-f") as followed:
        followed.prints("about to fail")
        assert followed.end(signal.SIGINT) == 130
    assert followed.err == b""


def test_a_job_that_is_not_there_is_exit_3(cli: Cli) -> None:
    done = cli("logs", MISSING, "-f")
    assert (done.code, done.complaint) == (3, f"job {MISSING} is not there (any more)")
    assert cli("logs", MISSING, "--json").json["ok"] is False


def test_control_characters_stay_from_the_terminal(cli: Cli, jobs: barq.sync.Queue) -> None:
    job = jobs.enqueue("paint")

    @jobs.handler("paint")
    def paint(job: barq.sync.Job[None]) -> None:
        job.log("\x1b[31mred")

    asyncio.run(barq.Worker(jobs, burst=True).run(signals=False))
    assert "\ufffd[31mred" in cli("logs", job.id).out
