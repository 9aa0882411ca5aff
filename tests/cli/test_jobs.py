"""`barq enqueue`, `show`, `ls`, `retry`, `cancel`, `promote`, `remove`."""

import os
import pty
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import barq.sync
from tests.cli.support import BARQ, Cli, environment
from tests.support import wait_until

Work = Callable[[], None]
MISSING = 999_999_999

# ---- enqueue


def test_enqueue_prints_the_id_of_the_job_it_stored(cli: Cli, jobs: barq.sync.Queue) -> None:
    done = cli("enqueue", "email", '{"to": "a@b.c"}')
    assert (done.code, done.err) == (0, "")
    assert jobs.get(int(done.out)).data == {"to": "a@b.c"}


def test_enqueue_takes_the_options_of_a_job(cli: Cli, jobs: barq.sync.Queue) -> None:
    options = ("--priority", "high", "--attempts", 3, "--title", "to Ann", "--delay", 60, "--run-timeout", 2.5)
    job = jobs.get(cli("enqueue", "email", *options, "--json").json["id"])
    assert (job.priority, job.attempts, job.title, job.state) == (-10, 3, "to Ann", "delayed")
    assert (job.options.timeout_ms, job.data) == (2500, None)


def test_enqueue_takes_a_number_as_priority(cli: Cli, jobs: barq.sync.Queue) -> None:
    assert jobs.get(int(cli("enqueue", "email", "--priority", "-7").out)).priority == -7


def test_enqueue_reads_data_from_stdin(cli: Cli, jobs: barq.sync.Queue) -> None:
    assert jobs.get(int(cli("enqueue", "email", "-", stdin='["é", 1]\n').out)).data == ["é", 1]


def test_the_same_token_gives_the_same_job(cli: Cli) -> None:
    assert cli("enqueue", "email", "--token", "t").out == cli("enqueue", "email", "--token", "t").out


def test_queue_and_url_can_be_named_as_options(cli: Cli, jobs: barq.sync.Queue) -> None:
    bare = Cli(cli.folder)
    done = bare("enqueue", "email", "--queue", jobs.name, "--url", cli.env["BARQ_URL"])
    assert jobs.get(int(done.out)).type == "email"
    assert bare("show", done.out.strip(), BARQ_QUEUE=jobs.name, REDIS_URL=cli.env["BARQ_URL"]).code == 0


def test_wait_prints_the_result(cli: Cli, app: Path) -> None:
    assert app.exists()
    with cli.started("worker", "app:queue"):
        done = cli("enqueue", "add", '{"a": 1, "b": 2}', "--wait")
        assert (done.code, done.out, done.err) == (0, "3\n", "")
        told = cli("enqueue", "add", '{"a": 1, "b": 2}', "--wait", "--json").json
        assert told == {"ok": True, "id": told["id"], "result": 3}

        failed = cli("enqueue", "boom", "--wait")
        assert (failed.code, failed.out) == (1, "")
        assert failed.complaint.endswith("(boom) failed: no way")
        told = cli("enqueue", "boom", "--wait", "--json").json
        assert (told["ok"], told["failure"]["type"]) == (False, "ValueError")
        assert "in boom" in told["failure"]["traceback"]


def test_wait_gives_up_after_the_timeout(cli: Cli) -> None:
    done = cli("enqueue", "email", "--wait", "--timeout", 0.2)
    assert (done.code, done.out) == (4, "")
    assert done.complaint.endswith("has not ended within 0.2 s")
    done = cli("enqueue", "email", "--wait", "--timeout", 0.2, "--json")
    assert (done.code, done.json["ok"]) == (4, False)
    assert cli("show", done.json["id"]).code == 0


def test_wait_says_that_the_job_was_cancelled(cli: Cli, jobs: barq.sync.Queue) -> None:
    with cli.started("enqueue", "email", "--wait") as waiting:
        wait_until(lambda: jobs.counts()["waiting"], "the job is stored")
        jobs.cancel(jobs.jobs()[0].id)
        assert waiting.end() == 1
    assert b"was cancelled" in waiting.err


def test_wait_says_that_the_job_is_parked(cli: Cli, app: Path, jobs: barq.sync.Queue) -> None:
    assert app.exists()
    with cli.started("worker", "app:queue"), cli.started("enqueue", "add", '{"c": 2}', "--wait") as waiting:
        wait_until(lambda: jobs.counts()["blocked"], "the job is parked")
        jobs.cancel(jobs.jobs("blocked")[0].id)
        assert waiting.end() == 1
    assert b"is parked until somebody retries it: " in waiting.err


def test_ctrl_c_ends_a_wait(cli: Cli, jobs: barq.sync.Queue) -> None:
    with cli.started("enqueue", "email", "--wait") as waiting:
        wait_until(lambda: jobs.counts()["waiting"], "the job is stored")
        assert waiting.end(signal.SIGINT) == 130
    assert (waiting.out, waiting.err) == (b"", b"")


# ---- show


def test_show_tells_all_of_a_failed_job(cli: Cli, jobs: barq.sync.Queue, work: Work) -> None:
    job = jobs.enqueue("boom", {"a": 1}, title="a try")
    work()
    done = cli("show", job.id)
    assert done.code == 0
    for part in (f"job {job.id}  boom  failed", "a try", "1 of 1", '{"a":1}', '50% {"step":"half"}', "about to fail"):
        assert part in done.out
    assert "ValueError: no way" in done.out
    assert "in boom" in done.out

    told = cli("show", job.id, "--json").json
    assert (told["state"], told["data"], told["result"]) == ("failed", {"a": 1}, None)
    assert told["error"]["message"] == "no way"
    assert [line["text"] for line in told["logs"]] == ["about to fail"]
    assert told["progress"] == {"percent": 50, "data": {"step": "half"}}


def test_show_tells_the_result(cli: Cli, jobs: barq.sync.Queue, work: Work) -> None:
    job = jobs.enqueue("add", {"a": 1, "b": 2})
    work()
    assert "result\n  3\n" in cli("show", job.id).out
    assert cli("show", job.id, "--json").json["result"] == 3


def test_show_keeps_control_characters_from_the_terminal(cli: Cli, jobs: barq.sync.Queue) -> None:
    job = jobs.enqueue("email", "\x1b[31m\x9b", title="\u009b31m")
    assert not {"\x1b", "\x9b"} & set(cli("show", job.id).out)


def test_a_job_that_is_not_there_is_exit_3(cli: Cli) -> None:
    done = cli("show", MISSING)
    assert (done.code, done.complaint) == (3, f"job {MISSING} is not there (any more)")
    done = cli("cancel", MISSING, "--json")
    assert (done.code, done.json) == (3, {"ok": False, "error": f"job {MISSING} is not there (any more)"})


# ---- ls


def test_ls_is_a_table(cli: Cli, jobs: barq.sync.Queue, work: Work) -> None:
    jobs.enqueue("boom")
    work()
    jobs.enqueue("email", {"to": "a@b.c"}, delay=7200, priority="high")
    lines = cli("ls").out.splitlines()
    assert lines[0].split() == ["ID", "TYPE", "STATE", "PRIORITY", "ATTEMPT", "WHEN", "ABOUT"]
    assert [line.split(maxsplit=5)[1:5] for line in lines[1:]] == [
        ["boom", "failed", "0", "1/1"],
        ["email", "delayed", "-10", "0/1"],
    ]
    assert lines[1].endswith("ValueError: no way")
    assert lines[2].split()[5:] == ["in", "2h", '{"to":"a@b.c"}']


def test_ls_filters_by_state_and_type(cli: Cli, jobs: barq.sync.Queue) -> None:
    ids = [jobs.enqueue("email").id, jobs.enqueue("email", delay=60).id, jobs.enqueue("image").id]
    assert [job["id"] for job in cli("ls", "waiting", "--type", "email", "--json").json["jobs"]] == ids[:1]
    assert [job["id"] for job in cli("ls", "--type", "image", "--json").json["jobs"]] == ids[2:]


def test_ls_goes_on_behind_a_page(cli: Cli, jobs: barq.sync.Queue) -> None:
    ids = [job.id for job in jobs.enqueue_many("email", range(3))]
    first = cli("ls", "waiting", "--limit", 2, "--json").json
    assert [job["id"] for job in first["jobs"]] == ids[:2]
    second = cli("ls", "waiting", "--limit", 2, "--after", first["next"], "--json").json
    assert ([job["id"] for job in second["jobs"]], second["next"]) == (ids[2:], None)
    assert "--after" in cli("ls", "waiting", "--limit", 2).complaint


def test_ls_shows_the_last_jobs_first_unless_it_is_a_line(cli: Cli, jobs: barq.sync.Queue) -> None:
    ids = [job.id for job in jobs.enqueue_many("email", range(2))]
    assert [job["id"] for job in cli("ls", "--json").json["jobs"]] == ids[::-1]
    assert [job["id"] for job in cli("ls", "waiting", "--json").json["jobs"]] == ids
    assert [job["id"] for job in cli("ls", "--line-order", "--json").json["jobs"]] == ids


def test_ls_without_jobs_prints_nothing(cli: Cli) -> None:
    done = cli("ls", "failed")
    assert (done.code, done.out, done.complaint) == (0, "", "no failed jobs")
    assert cli("ls", "--json").json == {"ok": True, "jobs": [], "next": None}


def test_ls_cuts_lines_to_the_terminal(cli: Cli, jobs: barq.sync.Queue) -> None:
    jobs.enqueue("email", "x" * 500)
    assert "x" * 500 in cli("ls").out
    terminal, inside = pty.openpty()
    env = environment(**cli.env, COLUMNS="60", LINES="20")
    subprocess.run([*BARQ, "ls"], env=env, stdout=inside, stdin=inside, check=True, timeout=30)
    os.close(inside)
    lines = os.read(terminal, 65536).decode().splitlines()
    os.close(terminal)
    assert [len(line) <= 60 for line in lines] == [True, True]
    assert lines[1].endswith("x…")


def test_data_of_another_codec_is_shown_as_such(cli: Cli, name: str) -> None:
    class Raw:
        def encode(self, value: bytes) -> bytes:
            return value

        def decode(self, payload: bytes) -> bytes:
            return payload

    with barq.sync.Queue(name, url=cli.env["BARQ_URL"], codec=Raw()) as raw:
        job = raw.enqueue("email", b"\xff\x00{")
    assert "<3 bytes that are not JSON>" in cli("show", job.id).out


# ---- act


def test_retry_cancel_promote_and_remove_act_on_all_they_are_given(cli: Cli, jobs: barq.sync.Queue) -> None:
    ids = [job.id for job in jobs.enqueue_many("email", range(2), delay=60)]

    def states() -> list[str]:
        return [str(jobs.get(id).state) for id in ids]

    done = cli("promote", *ids)
    assert (done.code, done.out, done.complaint) == (0, "", "2 jobs promoted")
    assert states() == ["waiting", "waiting"]
    assert cli("cancel", ids[0], "--json").json == {"ok": True, "ids": ids[:1]}
    assert states() == ["cancelled", "waiting"]
    assert cli("retry", ids[0]).complaint == f"job {ids[0]} will run again"
    assert states() == ["waiting", "waiting"]
    assert cli("remove", *ids).complaint == "2 jobs removed"
    assert jobs.jobs() == []


def test_a_wrong_state_is_exit_1(cli: Cli, jobs: barq.sync.Queue) -> None:
    job = jobs.enqueue("email")
    done = cli("retry", job.id)
    assert (done.code, done.out) == (1, "")
    assert done.complaint.startswith(f"job {job.id} is waiting: only ")
    assert cli("promote", job.id, "--json").json["ok"] is False
