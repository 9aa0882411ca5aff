"""`barq ls QUERY`, and `barq retry`, `cancel`, `promote`, `remove` with --where: counted, asked, done."""

import os
import pty
import subprocess

import pytest

import barq.sync
from tests.cli.support import BARQ, Cli, environment


@pytest.fixture
def delayed(jobs: barq.sync.Queue) -> barq.sync.Queue:
    """Six delayed jobs of two customers, and a waiting one."""
    for n in range(6):
        jobs.enqueue("email", {"customer": n % 2}, index=("customer",), title=f"Mailbox full {n}", delay=60)
    jobs.enqueue("push", {"to": "ann"})
    return jobs


def test_ls_lists_what_a_query_finds(cli: Cli, delayed: barq.sync.Queue) -> None:
    def ids(*words: str) -> list[int]:
        return [job["id"] for job in cli("ls", *words, "--json").json["jobs"]]

    assert delayed.count() == 7
    assert ids("customer:1") == [6, 4, 2]
    assert ids("customer:1", "title:3") == [4]
    assert ids("customer:1 title:3") == [4]
    assert ids("mailbox full", "customer:0") == [5, 3, 1]
    assert ids("full mailbox", "customer:0") == []
    assert ids("mailbox", "--type", "push") == []
    assert ids("delayed", "--type", "email") == [6, 5, 4, 3, 2, 1] or len(ids("delayed")) == 6
    assert "no jobs match ann; what stands in their data is found by data:WORD" in cli("ls", "ann").err
    assert ids("data:ann") == [7]
    page = cli("ls", "customer:1", "--limit", 2, "--json").json
    assert [job["id"] for job in cli("ls", "customer:1", "--after", page["next"], "--json").json["jobs"]] == [2]


def test_a_wrong_query_is_told_what_is_allowed(cli: Cli, delayed: barq.sync.Queue) -> None:
    done = cli("ls", "state:faild")
    assert (done.code, delayed.name != "") == (2, True)
    assert "state must be one of waiting" in done.complaint
    assert cli("remove", "--where", "state:active", "--yes").code == 2
    assert cli("remove", "--where", "", "--yes").code == 2


def test_acts_on_all_that_match_are_counted_first_and_refused_without_a_yes(cli: Cli, delayed: barq.sync.Queue) -> None:
    done = cli("promote", "--where", "customer:1")
    assert done.code == 2
    assert "promote 3 jobs that match customer:1? Say it with --yes" in done.complaint
    assert delayed.counts()["delayed"] == 6
    told = cli("promote", "--where", "customer:1", "--dry-run", "--json").json
    assert told == {"ok": True, "matched": 3, "done": 0, "refused": 0, "more": False}
    assert delayed.counts()["delayed"] == 6


def test_acts_on_all_that_match(cli: Cli, delayed: barq.sync.Queue) -> None:
    assert cli("promote", "--where", "customer:1", "--yes").complaint == "3 jobs promoted"
    told = cli("cancel", "--where", "customer:0", "--yes", "--json").json
    assert told == {"ok": True, "matched": 3, "done": 3, "refused": 0, "more": False}
    assert cli("retry", "--where", "type:email", "--yes").complaint == "3 jobs will run again"
    assert cli("remove", "--where", "age>=0s", "--yes").complaint == "7 jobs removed"
    assert cli("remove", "--where", "age>=0s", "--yes").code == 0, "there is nothing left to ask about"
    assert delayed.count() == 0


def test_ids_or_a_query_are_needed(cli: Cli, delayed: barq.sync.Queue) -> None:
    assert "takes ids of jobs, or --where QUERY" in cli("remove").complaint
    assert cli("remove", 1, "--where", "type:email").code == 2
    assert cli("remove", 1, "--dry-run").code == 2
    assert delayed.count() == 7


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", 6), (b"y\n", 0)])
def test_on_a_terminal_it_asks(cli: Cli, delayed: barq.sync.Queue, answer: bytes, left: int) -> None:
    mine, theirs = pty.openpty()
    try:
        os.write(mine, answer)
        process = subprocess.run(
            [*BARQ, "remove", "--where", "state:delayed"],
            env=environment(**cli.env),
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(mine)
        os.close(theirs)
    assert "remove 6 jobs that match state:delayed?" in process.stderr
    assert process.returncode == (1 if left else 0)
    assert delayed.counts()["delayed"] == left
