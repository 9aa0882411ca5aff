"""`barq info`, `workers`, `events`, `pause`, `resume`."""

import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import barq.sync
from tests.cli.support import BARQ, Cli, environment
from tests.support import Server

Work = Callable[[], None]


def test_info_shows_counts_by_type(cli: Cli, jobs: barq.sync.Queue, work: Work) -> None:
    jobs.enqueue("boom")
    work()
    jobs.enqueue_many("email", range(2))
    done = cli("info")
    assert (done.code, done.err) == (0, "")
    rows = {line.split()[0]: line.split()[1:] for line in done.out.splitlines() if line}
    states = ["WAITING", "DELAYED", "ACTIVE", "COMPLETED", "FAILED", "CANCELLED", "BLOCKED"]
    assert rows["TYPE"] == [*states, "RATE", "OLDEST", "PAUSED"]
    assert rows["email"][:8] == ["2", "0", "0", "0", "0", "0", "0", "0"]
    assert rows["email"][8:] in (["now"], [rows["email"][8], "ago"])
    assert rows["boom"] == ["0", "0", "0", "0", "1", "0", "0", "0"]
    assert rows["total"][:8] == ["2", "0", "0", "0", "1", "0", "0", "0"]

    told = cli("info", "--json").json
    assert told["queue"] == jobs.name
    assert told["counts"]["waiting"] == 2
    assert told["types"]["boom"]["counts"]["failed"] == 1
    assert told["types"]["boom"]["failed_rate"] > 0
    assert told["types"]["email"]["oldest_waiting_at"].endswith("Z")
    assert (told["paused"], told["workers"]) == (None, [])


def test_a_queue_with_partitions_is_found_to_have_them(cli: Cli, server: Server, name: str) -> None:
    with barq.sync.Queue(name, url=server.url, partitions=4) as queue:
        ids = [queue.enqueue("email", number).id for number in range(8)]
    told = cli("info", "--json").json
    assert (told["queue"], told["counts"]["waiting"]) == (name, 8)
    assert str(ids[3]) in cli("show", ids[3]).out
    assert cli("cancel", *ids).code == 0
    assert cli("info", "--json").json["counts"]["cancelled"] == 8


def test_info_of_an_empty_queue(cli: Cli) -> None:
    assert cli("info").out.splitlines()[2:] == ["no jobs yet", "", "no workers"]


def test_pause_says_by_whom_and_why(cli: Cli, jobs: barq.sync.Queue) -> None:
    jobs.enqueue("email")
    done = cli("pause", "email", "--reason", "too many")
    assert (done.code, done.out, done.complaint) == (0, "", "type email is paused")
    assert cli("pause", "email").complaint == "type email was already paused"
    again = cli("pause", "email", "--reason", "too many", "--json").json
    assert again == {"ok": True, "type": "email", "changed": False}
    assert re.search(r"by \S+@\S+, (now|\d+s ago): too many", cli("info").out)
    paused = cli("info", "--json").json["types"]["email"]["paused"]
    assert (paused["reason"], "@" in paused["by"]) == ("too many", True)
    assert cli("resume", "email").complaint == "type email goes on"
    assert cli("resume", "email", "--json").json == {"ok": True, "type": "email", "changed": False}


def test_pause_without_a_type_holds_for_the_queue(cli: Cli, jobs: barq.sync.Queue) -> None:
    assert cli("pause").complaint == f"queue {jobs.name} is paused"
    assert jobs.paused() is not None
    assert "paused by" in cli("info").out.splitlines()[0]
    assert cli("resume").complaint == f"queue {jobs.name} goes on"
    assert cli("resume").complaint == f"queue {jobs.name} was not paused"


def test_workers_lists_who_is_alive(cli: Cli, app: Path) -> None:
    assert app.exists()
    done = cli("workers")
    assert (done.code, done.out) == (0, "")
    assert done.complaint.startswith("no workers for queue")
    with cli.started("worker", "app", "--concurrency", 7) as worker:
        worker.says("slots")
        (told,) = cli("workers", "--json").json["workers"]
        assert (told["concurrency"], told["types"], told["pid"]) == (7, ["add", "boom"], worker.process.pid)
        head, row = cli("workers").out.splitlines()
        assert head.split() == ["WORKER", "PROCESS", "BUSY", "MEMORY", "STARTED", "STATE", "VERSION", "TYPES"]
        assert "0/7" in row
        assert told["id"] in cli("info").out


def test_events_are_followed_line_by_line(cli: Cli, jobs: barq.sync.Queue, work: Work) -> None:
    jobs.enqueue("boom")
    with cli.started("events", "--after", 0) as events:
        events.prints("enqueue")
        work()
        events.prints("ValueError: no way")
        assert events.end(signal.SIGINT) == 130
    lines = events.out.decode().splitlines()
    assert [line.split()[2] for line in lines] == ["enqueue", "start", "progress", "log", "failed"]
    assert lines[2].endswith('boom  50% {"step":"half"}')
    assert lines[3].endswith("boom  about to fail")
    assert events.err == b""


def test_events_in_json_name_their_position(cli: Cli, jobs: barq.sync.Queue) -> None:
    ids = [job.id for job in jobs.enqueue_many("email", range(2))]
    with cli.started("events", "--after", "0", "--json") as events:
        events.prints("\n", times=2)
    told = [json.loads(line) for line in events.out.splitlines()]
    assert [(one["event"], one["type"], one["id"]) for one in told] == [("enqueue", "email", id) for id in ids]
    with cli.started("events", "--after", told[0]["position"], "--json") as events:
        events.prints("\n")
    assert json.loads(events.out) == told[1]


def test_events_end_quietly_when_nobody_reads_on(cli: Cli, jobs: barq.sync.Queue) -> None:
    jobs.enqueue("email")
    with subprocess.Popen(
        [*BARQ, "events", "--after", "0"],
        env=environment(**cli.env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        jobs.enqueue("email")
        assert process.wait(20) == 1
        assert process.stderr.read() == b""
