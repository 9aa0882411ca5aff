"""The harness as a whole: a short run holds, and a run in which nothing goes on ends, and says how everything stood."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import msgspec
import psutil
import pytest

from tests.faults import __main__ as main
from tests.faults import cast, run
from tests.faults.checker import Verdict, check
from tests.faults.faults import FAULTS
from tests.faults.machine import Machine, _seconds
from tests.faults.probe import Look, Place, wrong
from tests.faults.processes import Terms, WorkerState
from tests.faults.records import Struck, Trouble, read
from tests.faults.report import report
from tests.faults.sampler import Sampler, Stuck
from tests.faults.test_checker import Told, us
from tests.support import ROOT, wait_until


def test_a_short_run_holds(tmp_path: Path) -> None:
    """8 seconds of all faults, closer together. A longer one is `make chaos`."""
    words = "--seed 7 --seconds 8 --per-minute 200 --calibrate 1 --workers 3 --producers 1 --floor 0 --keep --folder"
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", *words.split(), str(tmp_path / "run")],
        capture_output=True,
        text=True,
        timeout=110,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed 7" in done.stdout
    assert "fault while under way:" in done.stdout
    assert done.stdout.count("\nholds ") == 17
    struck = {one.fault for one in read(tmp_path / "run" / "seed-7" / "driver.ledger") if isinstance(one, Struck)}
    assert len(struck) >= 6, f"of {len(FAULTS)} kinds of faults only {struck}"


def test_a_run_in_which_nothing_is_worked_off_ends_and_says_how_all_stood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cast.MODULES, "worker", "tests.faults.producer")  # who asks for jobs, and runs none
    monkeypatch.setattr(run, "START_SECONDS", 3.0)
    plan = run.Plan(seed=1, seconds=1, calibrate=1, terms=Terms(workers=1, producers=1, lease_ms=1000))
    result = run.run(plan, tmp_path / "stuck")
    assert not result.verdict.good
    assert result.story is None
    assert any("nothing was run within 3 s" in what for what in result.verdict.trouble)
    dump = (result.folder / "dump.txt").read_text()
    assert "quick:waiting" in dump
    assert "worker-1" in dump
    assert any(isinstance(record, Trouble) for record in read(result.folder / "driver.ledger"))
    assert processes(result.folder) == []


def test_when_nothing_goes_on_any_more_all_unfinished_jobs_and_all_workers_are_dumped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def chaos(self: run.Run) -> None:
        for slot in self.cast.slots:
            await slot.gate.close()  # the harness goes to the server by itself
        async with asyncio.timeout(20):
            for slot in self.cast.of("worker"):
                while '"last_error":""' in (await slot.state() or '"last_error":""'):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        raise Stuck("nothing goes on")

    monkeypatch.setattr(run.Run, "_chaos", chaos)
    result = run.run(run.Plan(seed=1, calibrate=1, terms=Terms(workers=2, producers=1)), tmp_path / "stuck")
    assert result.verdict.trouble[0] == "Stuck: nothing goes on"
    dump = (result.folder / "dump.txt").read_text()
    assert re.search(r"^\d+ unfinished at \d{13} \(id, place, lease or time, holder\):$", dump, re.M)
    assert re.search(r"^\d+ \w+:active \d{13} 1 \S+ \S+ \d{13} 0 0$", dump, re.M), "one with its lease and its holder"
    told = [msgspec.json.decode(line, type=WorkerState) for line in dump.splitlines() if line.startswith('{"worker"')]
    assert len(told) == 2
    assert all(state.last_error and state.worker and state.threads and state.tasks for state in told), told
    wait_until(lambda: "Thread 0x" in (result.folder / "worker-1.output").read_text(), "the stacks of its threads")
    assert len(list(result.folder.glob("*.ledger"))) >= 5, "the ledgers are kept"


def test_work_without_a_completion_for_a_lease_and_five_seconds_is_stuck() -> None:
    terms = Terms(lease_ms=3000)
    workers = [SimpleNamespace(started_at=time.monotonic() - 60), SimpleNamespace(started_at=time.monotonic())]
    sampler = Sampler(SimpleNamespace(terms=terms, of=lambda _: workers))  # type: ignore[arg-type]
    sampler.last = look(WAITING)
    sampler._progress_at = time.monotonic() - 7.5
    sampler._raise_if_stuck()
    sampler._progress_at = time.monotonic() - 8.5
    with pytest.raises(Stuck, match="no job has ended for 8 s, but 1 are unfinished"):
        sampler._raise_if_stuck()
    workers[0].started_at = time.monotonic() - 7.5  # all were killed, and are coming up
    sampler._raise_if_stuck()
    workers[0].started_at = time.monotonic() - 60
    sampler.last = look()
    sampler._raise_if_stuck()


@pytest.mark.parametrize(
    ("before", "under", "after", "others", "says"),
    [
        (4000, 1700, 4000, 0.0, ""),
        (
            4000,
            1500,
            4000,
            0.0,
            "the rate under faults is below 40% .*: 4,000 jobs/s before the faults, 1,500 under them",
        ),
        (4000, 1500, 2000, 0.0, ""),  # the machine has got slower: it manages no more without faults
        (4000, 1700, 1500, 0.0, "the rate does not come back after the faults"),
        (4000, 1500, 4000, 0.5, ""),  # others took the processors
    ],
)
def test_a_slow_machine_is_told_from_a_slow_queue(
    before: float, under: float, after: float, others: float, says: str
) -> None:
    figures = run.Figures(
        calibrated=before, under_faults=under, calibrated_again=after, taken_by_others=others, chaos_seconds=60
    )
    told = figures.too_slow(0.4)
    assert len(told) == bool(says)
    assert not says or re.search(says, told[0])
    result = run.Result(run.Plan(1), figures, None, Verdict({}, {}, []), Path())
    assert ("NOT JUDGED: the rates, for others took 50%" in report(result)) == (others > 0)


def test_what_a_run_and_its_processes_use_is_not_taken_by_others() -> None:
    _, _, before = _seconds()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.5: pass"], check=True)
    _, _, after = _seconds()
    assert after - before >= 0.45
    assert 0 <= Machine().taken() <= 1.01


# ---- what people see


def test_a_report_counts_faults_by_the_call_that_they_met_and_names_what_is_broken() -> None:
    told = Told()
    told.driver += [Struck(us(41), us(42), "drop", "worker-1", 11, ["turn", "extend"])] * 2
    told.kept.watched = 2
    story = told.story()
    said = report(run.Result(run.Plan(1), run.Figures(), story, check(story), Path())).splitlines()
    (head,) = [line.split() for line in said if line.startswith("fault while under way:")]
    cells = {
        words[0]: dict(zip(head[4:], words[1:], strict=True)) for line in said if (words := line.split())[0] in FAULTS
    }
    assert cells == {"kill": {"extend": ".", "turn": "1"}, "drop": {"extend": "2", "turn": "2"}}
    at = said.index("BROKEN 13 faults off, everything finishes, and nothing leaks")
    assert said[at + 1].strip() == "2 jobs are still watched"
    assert sum(line.startswith("holds ") for line in said) == 16


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> dict[int, Verdict]:
    """Runs that last no time: seed -> what is found, or nothing."""
    verdicts: dict[int, Verdict] = {}

    def once(plan: run.Plan, folder: Path) -> run.Result:
        folder.mkdir(parents=True)
        (folder / "driver.ledger").write_text("")
        verdict = verdicts.get(plan.seed, Verdict({}, {}, []))
        return run.Result(plan, run.Figures(), None, verdict, folder)

    monkeypatch.setattr(main, "run", once)
    return verdicts


def test_a_run_that_fails_keeps_its_ledger_and_says_how_to_have_it_again(
    made_up: dict[int, Verdict], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--seconds", "5", "--folder", str(tmp_path), "--seed"]
    assert main.main([*words, "7"]) == 0
    assert not (tmp_path / "seed-7").exists()
    made_up[8] = Verdict({1: ["job 9 is nowhere"]}, {}, [])
    assert main.main([*words, "8"]) == 1
    assert (tmp_path / "seed-8" / "driver.ledger").exists()
    told = capsys.readouterr().out
    assert "job 9 is nowhere" in told
    assert f"FAILED; the ledger is in {tmp_path / 'seed-8'}; again: make chaos SEED=8 SECONDS=5" in told


def test_a_soak_makes_one_run_after_the_other_until_one_fails(
    made_up: dict[int, Verdict], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made_up[5] = Verdict({}, {}, ["the driver itself failed"])
    assert main.main(["--seed", "2", "--soak", "60", "--folder", str(tmp_path)]) == 1
    assert re.findall(r"^seed (\d)", capsys.readouterr().out, re.M) == ["2", "3", "4", "5"]
    assert [folder.name for folder in tmp_path.iterdir()] == ["seed-5"], "only what failed is kept"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_takes_its_workers_along(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "ended"
    words = "--seed 1 --seconds 60 --workers 1 --producers 1 --folder"
    driver = subprocess.Popen(
        [sys.executable, "-m", "tests.faults", *words.split(), str(folder)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: any("tests.faults.worker" in line for line in processes(folder)), "a worker is there")
    driver.send_signal(number)
    assert driver.wait(20) == (-number if number == signal.SIGKILL else 130)
    wait_until(lambda: not [line for line in processes(folder) if "tests.faults" in line], "all have ended")
    for process in psutil.process_iter():  # the server of a driver that could do nothing any more
        if number == signal.SIGKILL and str(folder) in " ".join(_words(process)):
            process.kill()
    wait_until(lambda: not processes(folder), "nothing is left")


def processes(folder: Path) -> list[str]:
    """The command lines and folders of the processes that have something to do with a folder."""
    lines = (" ".join(_words(process)) for process in psutil.process_iter())
    return [line for line in lines if str(folder) in line]


def _words(process: psutil.Process) -> list[str]:
    try:
        # a server that runs shows a title of its own, but it stands in its folder
        return [*process.cmdline(), process.cwd()] if process.status() != psutil.STATUS_ZOMBIE else []
    except psutil.Error:
        return []


def test_an_unknown_fault_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--faults", "kill,flood"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env=os.environ,
        check=False,
    )
    assert done.returncode == 2
    assert "no such fault: flood" in done.stderr
    assert all(name in done.stderr for name in FAULTS)


def look(*places: Place, kept: int | None = None) -> Look:
    return Look(100_000, len(places), len(places), 0, 0, len(places) if kept is None else kept, list(places))


WAITING = Place(1, "quick:waiting", 0, "", True)
ACTIVE = Place(2, "quick:active", 101_000, "1 n w 99000 0 0", True)


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (look(WAITING, ACTIVE), ""),
        (look(WAITING, kept=0), "0 records, but 1 \\+ 0 jobs in the lines"),
        (look(Place(1, "quick:waiting quick:failed", 0, "", True)), "job 1 is in several places"),
        (look(Place(1, "quick:waiting", 0, "", False)), "without a record"),
        (look(Place(1, "quick:waiting", 0, "1 n w 5 0 0", True)), "in quick:waiting, but held by"),
        (look(Place(2, "quick:active", 101_000, "1 0 0", True)), "active, but its holder is"),
        (look(Place(2, "quick:active", 101_000, "1 n w 50000 0 0", True)), "held for 50000 ms"),
        (look(Place(2, "quick:active", 91_000, "1 n w 90000 0 0", True)), "the lease of job 2 is over for 9000 ms"),
    ],
)
def test_what_must_never_be_is_found_in_one_look(seen: Look, says: str) -> None:
    found = wrong(seen, lease_ms=3000, longest_hold_ms=20_000)
    if not says:
        assert found == []
    else:
        assert any(re.search(says, what) for what in found), found
