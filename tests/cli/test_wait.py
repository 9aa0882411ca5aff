"""`barq wait`: what it prints, and that each exit code says what its help says."""

import signal
from collections.abc import Callable
from pathlib import Path

import barq.sync
from tests.cli.support import BARQ, Cli
from tests.cli.terminal import terminal
from tests.support import wait_until

Work = Callable[[], None]
MISSING = 999_999_999


def test_all_completed_is_exit_0(cli: Cli, jobs: barq.sync.Queue, app: Path) -> None:
    assert app.exists()
    ids = [jobs.enqueue("add", {"a": 1, "b": b}).id for b in (1, 2)]
    with cli.started("worker", "app"):
        done = cli("wait", *ids)
        assert (done.code, done.err) == (0, "")
        assert sorted(done.out.splitlines()) == [f"{id}  completed" for id in ids]
        told = cli("wait", *ids, "--json").json
    assert [(one["id"], one["state"], one["result"]) for one in told["jobs"]] == [
        (ids[0], "completed", 2),
        (ids[1], "completed", 3),
    ]
    assert told["ok"] is True


def test_a_failed_or_cancelled_job_is_exit_1(cli: Cli, jobs: barq.sync.Queue, work: Work) -> None:
    failed, cancelled = jobs.enqueue("boom"), jobs.enqueue("email", delay=60)
    work()
    cancelled.cancel()
    done = cli("wait", failed.id, cancelled.id)
    assert (done.code, done.complaint) == (1, "1 failed and 1 cancelled of 2 jobs")
    assert set(done.out.splitlines()) == {f"{failed.id}  failed  ValueError: no way", f"{cancelled.id}  cancelled"}
    told = cli("wait", failed.id, "--json").json
    assert (told["ok"], told["jobs"][0]["error"]["type"]) == (False, "ValueError")


def test_one_that_is_not_there_is_exit_3_and_the_others_are_waited_for(
    cli: Cli, jobs: barq.sync.Queue, work: Work
) -> None:
    job = jobs.enqueue("add", {"a": 1, "b": 2})
    with cli.started("wait", job.id, MISSING) as waiting:
        waiting.prints(f"{MISSING}  missing")
        work()
        assert waiting.end() == 3
    assert f"{job.id}  completed" in waiting.out.decode()
    assert waiting.err.decode() == "barq: 1 job is not there (any more)\n"


def test_a_job_that_is_removed_meanwhile_is_exit_3(cli: Cli, jobs: barq.sync.Queue) -> None:
    job = jobs.enqueue("email")
    with cli.started("wait", job.id, MISSING) as waiting:
        waiting.prints("missing")
        job.remove()
        assert waiting.end() == 3


def test_a_timeout_is_exit_4(cli: Cli, jobs: barq.sync.Queue, work: Work) -> None:
    done_id = jobs.enqueue("add", {"a": 1, "b": 2}).id
    work()
    ids = [jobs.enqueue("email").id, jobs.enqueue("email").id]
    done = cli("wait", done_id, *ids, "--timeout", 1)
    assert (done.code, done.out) == (4, f"{done_id}  completed\n")
    assert done.complaint == "2 jobs have not ended within 1 s"
    told = cli("wait", *ids, "--timeout", 0.1, "--json").json
    assert [one["state"] for one in told["jobs"]] == ["not ended", "not ended"]


def test_ctrl_c_is_exit_130(cli: Cli, jobs: barq.sync.Queue) -> None:
    job = jobs.enqueue("email")
    with cli.started("wait", job.id, MISSING) as waiting:
        waiting.prints("missing")
        assert waiting.end(signal.SIGINT) == 130
    assert waiting.err == b""


def test_a_terminal_shows_bars(cli: Cli, jobs: barq.sync.Queue, name: str, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import asyncio, pathlib, barq\n"
        f"queue = barq.Queue({name!r})\n"
        "@queue.handler('slow')\n"
        "async def slow(job):\n"
        "    await job.progress(40)\n"
        "    while not pathlib.Path('open').exists():\n"
        "        await asyncio.sleep(0.01)\n"
    )
    job, other = jobs.enqueue("slow"), jobs.enqueue("email", delay=600)
    with (
        cli.started("worker", "slow"),
        terminal([*BARQ, "wait", str(job.id), str(other.id)], tmp_path, columns=80, rows=24, **cli.env) as shown,
    ):
        shown.holds(f"{job.id} slow")
        shown.holds("40/100")
        shown.holds("0/2")
        (tmp_path / "open").touch()
        shown.holds("1/2")
        other.cancel()
        shown.shows(f"{job.id}  completed", f"{other.id}  cancelled", "barq: 0 failed and 1 cancelled of 2 jobs")
        assert shown.end() == 1


def test_a_thousand_jobs_are_waited_for_at_once(cli: Cli, jobs: barq.sync.Queue) -> None:
    ids = [job.id for job in jobs.enqueue_many("email", range(1000))]
    with cli.started("wait", *ids, MISSING, "--json") as waiting:
        wait_until(lambda: jobs.counts()["waiting"] == 1000, "they are stored")
        jobs.cancel(*ids)
        assert waiting.end() == 3
