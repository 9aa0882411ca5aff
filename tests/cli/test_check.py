"""`barq check`, and how `barq info` and `barq show` tell of types that no living worker knows."""

from pathlib import Path

import pytest
import redis

import barq.sync
from tests.cli.support import Cli
from tests.support import wait_until


def test_jobs_that_fit_are_fine(cli: Cli, jobs: barq.sync.Queue, app: Path) -> None:
    assert app.exists()
    jobs.enqueue("add", {"a": 1, "b": 2})
    jobs.enqueue("boom", "anything", delay=60)
    done = cli("check", "app:queue")
    assert (done.code, done.out) == (0, "")
    assert done.complaint == "2 jobs looked at, 0 do not fit, 0 types without a handler"
    told = cli("check", "app:queue", "--json").json
    assert told == {"ok": True, "looked_at": 2, "misfits": [], "unknown": [], "parked": []}


def test_what_does_not_fit_is_named_and_nothing_is_changed(cli: Cli, jobs: barq.sync.Queue, app: Path) -> None:
    assert app.exists()
    jobs.enqueue("add", {"a": 1})
    jobs.enqueue("add", {"a": 1, "b": "two"}, delay=60)
    jobs.enqueue("add", {"a": 1, "b": 2, "c": 3})
    jobs.enqueue("add", [1, 2])
    jobs.enqueue("add", {"a": 1, "b": 2})
    jobs.enqueue_many("email", range(3))
    before = jobs.counts()
    done = cli("check", "app:queue")
    assert done.code == 1
    assert done.out.splitlines() == [
        "type email: no handler for its 3 jobs",
        "job 1 (add): task add: b is missing in the job's data",
        "job 3 (add): task add has no parameter c",
        "job 4 (add): task add: data must be its arguments by name, got [1, 2]",
        "job 2 (add): task add: b does not fit <class 'int'>: Expected `int`, got `str`",
    ]
    told = cli("check", "app:queue", "--json")
    assert told.code == 1
    assert [misfit["id"] for misfit in told.json["misfits"]] == [1, 3, 4, 2]
    assert told.json["unknown"] == [{"type": "email", "jobs": 3}]
    assert jobs.counts() == before


def test_jobs_that_have_ended_do_not_matter(cli: Cli, jobs: barq.sync.Queue, app: Path) -> None:
    assert app.exists()
    jobs.enqueue("email").cancel()
    jobs.enqueue("add", {"a": 1}).cancel()
    assert cli("check", "app:queue").code == 0


def test_it_looks_at_as_many_as_asked(cli: Cli, jobs: barq.sync.Queue, app: Path) -> None:
    assert app.exists()
    jobs.enqueue_many("add", [{"a": 1, "b": 2}] * 1200)
    assert cli("check", "app:queue", "--json").json["looked_at"] == 1200
    assert cli("check", "app:queue", "--json", "--most", "700").json["looked_at"] == 700


def test_parked_jobs_are_told_and_those_that_fit_by_now(cli: Cli, jobs: barq.sync.Queue, app: Path) -> None:
    misfit, _, garbled = [jobs.enqueue("add", data) for data in ({"a": 1}, {"a": 1, "b": 2}, "no JSON")]
    with redis.Redis.from_url(jobs.asyncio.target.shown) as client:
        record = client.hget(f"barq:{{{jobs.name}}}:job", "a3")
        client.hset(f"barq:{{{jobs.name}}}:job", "a3", record.replace(b'"no JSON"', b"no JSON"))  # type: ignore[union-attr]
    source = app.read_text()
    app.write_text(source.replace("a: int, b: int", "a: int, b: int, c: int"))
    with cli.started("worker", "app:queue"):
        wait_until(lambda: jobs.counts("add")["blocked"] == 3, "all are parked")
    app.write_text(source)
    done = cli("check", "app:queue")
    assert (done.code, done.out.strip()) == (0, "type add: 1 of 3 parked jobs fit: `barq retry` them")
    assert cli("check", "app:queue", "--json").json["parked"] == [{"type": "add", "jobs": 3, "fit": 1}]
    assert "jobs of add are parked, as their data does not fit" in cli("info").out
    assert "parked, because" in (shown := cli("show", misfit.id).out)
    assert "b, c is missing in the job's data" in shown
    assert "UnfitData: the job's data can't be read" in cli("ls", "blocked").out
    assert "7 bytes that are not JSON" in cli("show", garbled.id).out
    assert cli("retry", 2).code == 0
    with cli.started("worker", "app:queue"):
        wait_until(lambda: jobs.get(2).state == "completed", "what fits by now runs")
    assert (jobs.get(2).attempt, jobs.get(2).returned) == (2, 3)


@pytest.mark.parametrize("place", ["nothing:queue", "app:nothing"])
def test_a_wrong_place_is_a_mistake_of_usage(cli: Cli, app: Path, place: str) -> None:
    assert app.exists()
    assert cli("check", place).code == 2


def test_a_type_that_no_living_worker_knows_is_shown_as_such(cli: Cli, jobs: barq.sync.Queue, app: Path) -> None:
    assert app.exists()
    lost, known = jobs.enqueue("email"), jobs.enqueue("add", {"a": 1, "b": 2}, delay=60)
    assert "no living worker" not in cli("info").out  # there is no worker at all, and it says so
    with cli.started("worker", "app:queue"):
        wait_until(lambda: jobs.workers(), "the worker is alive")
        assert "no living worker knows email: jobs of it wait until one does" in cli("info").out
        told = cli("info", "--json").json["types"]
        assert {name: row["known"] for name, row in told.items()} == {"email": False, "add": True}
        assert "no living worker knows its type" in cli("show", lost.id).out
        assert "no living worker" not in cli("show", known.id).out
        assert [cli("show", job.id, "--json").json["known"] for job in (lost, known)] == [False, True]
