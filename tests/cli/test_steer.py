"""`barq explain`, `priority`, `edit`, `clone`, `failures`, `audit`, `pause --for`, `workers drain`."""

import re
from collections.abc import Callable
from pathlib import Path

import barq.sync
from tests.cli.support import Cli
from tests.support import wait_until

Work = Callable[[], None]


def test_a_job_is_explained(cli: Cli, jobs: barq.sync.Queue, work: Work) -> None:
    jobs.enqueue("boom")
    work()
    jobs.enqueue("boom")
    jobs.pause("boom", by="ada", reason="deploy", seconds=600)
    out = cli("explain", 2).out
    assert out.startswith("job 2 is waiting\n")
    assert re.search(r"type boom is paused by ada since .* until .*\(in \d+ min\): deploy", out)
    assert "no worker runs type boom" in out
    ended = cli("explain", 1).out
    assert "failed for good" in ended
    assert re.search(r"run 1, .*: ValueError: no way \(\w+\.py:\d+\)", ended)
    told = cli("explain", 1, "--json").json
    assert (told["state"], told["reasons"][0]["code"], told["attempts"][0]["attempt"]) == ("failed", "ended", 1)
    missing = cli("explain", 99, "--json")
    assert (missing.code, missing.json["ok"]) == (3, False)


def test_a_job_gets_another_priority(cli: Cli, jobs: barq.sync.Queue) -> None:
    jobs.enqueue_many("email", range(2))
    assert cli("priority", 2, "high").complaint == "job 2 has priority -10"
    assert cli("priority", "--json", "--", 1, -20).json == {"ok": True, "id": 1, "priority": -20}
    assert [job.id for job in jobs.jobs("waiting")] == [1, 2]
    assert cli("priority", 2, "urgent").code == 2
    assert cli("priority", 99, 5).code == 3


def test_a_job_gets_other_data(cli: Cli, jobs: barq.sync.Queue, work: Work) -> None:
    jobs.enqueue("boom", {"a": 1})
    cli("edit", 1, '{"a": 2}')
    assert jobs.get(1).data == {"a": 2}
    assert cli("edit", 1, "-", stdin="[3]").code == 0
    assert jobs.get(1).data == [3]
    assert cli("edit", 1, "{").code == 2
    assert cli("edit", 1, "4", "--retry").code == 1
    work()
    cli("edit", 1, "null", "--retry")
    assert (jobs.get(1).state, jobs.get(1).data) == ("waiting", None)


def test_a_job_is_cloned(cli: Cli, jobs: barq.sync.Queue) -> None:
    jobs.enqueue("email", {"a": 1})
    assert cli("clone", 1).out == "2\n"
    assert cli("clone", 1, "[5]", "--json").json == {"ok": True, "id": 3}
    assert [jobs.get(id).data for id in (2, 3)] == [{"a": 1}, [5]]


def test_failed_jobs_are_grouped(cli: Cli, jobs: barq.sync.Queue, work: Work) -> None:
    assert cli("failures").complaint == "no failed jobs"
    jobs.enqueue_many("boom", range(3))
    work()
    head, row = cli("failures").out.splitlines()
    assert head.split() == ["JOBS", "TYPE", "PLACE", "FIRST", "LAST", "SAMPLE", "ERROR"]
    assert row.split()[:2] == ["3", "boom"]
    assert row.endswith("ValueError: no way")
    told = cli("failures", "--json", "--type", "boom").json
    assert (told["total"], told["groups"][0]["count"]) == (3, 3)


def test_acts_are_listed_with_who_did_them(cli: Cli, jobs: barq.sync.Queue) -> None:
    assert cli("audit").complaint == "nobody has done anything yet"
    jobs.enqueue("email")
    cli("cancel", 1)
    cli("retry", 1)
    cli("pause", "email", "--reason", "deploy")
    assert cli("audit").out.splitlines()[0].split() == ["WHEN", "BY", "ACT", "TARGET", "CHANGE"]
    told = cli("audit", "--json", "--limit", 2).json
    assert [(act["act"], act["target"]) for act in told["acts"]] == [("pause", "type email"), ("retry", "job 1")]
    assert re.fullmatch(r".+@.+", told["acts"][0]["by"])
    rest = cli("audit", "--json", "--before", told["next"]).json
    assert [act["act"] for act in rest["acts"]] == ["cancel"]


def test_a_pause_has_an_end(cli: Cli, jobs: barq.sync.Queue) -> None:
    assert cli("pause", "email", "--for", "10m").complaint == "type email is paused for 600 s"
    assert re.search(r"resumes in \d+m", cli("info").out)
    paused = jobs.types()["email"].paused
    assert paused is not None
    assert paused["until"] - paused["at"] == 600_000
    assert cli("pause", "--for", "soon").code == 2


def test_a_worker_is_drained_and_stopped(cli: Cli, app: Path) -> None:
    assert app.exists()
    assert cli("workers", "drain").code == 2
    assert cli("workers", "drain", "w1").code == 3
    with cli.started("worker", "app") as worker:
        worker.says("slots")
        (told,) = cli("workers", "--json").json["workers"]
        assert cli("workers", "drain", told["id"]).complaint == f"worker {told['id']} is told to drain"
        wait_until(lambda: "draining" in cli("workers").out, "it says that it drains")
        cli("workers", "stop", told["id"])
        assert worker.process.wait(20) == 0
