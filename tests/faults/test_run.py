"""The harness as a whole: a short run holds, and a run in which nothing goes on ends, and says how everything stood."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.faults import cast, run
from tests.faults.faults import FAULTS
from tests.faults.probe import Look, Place, wrong
from tests.faults.processes import Terms
from tests.faults.records import Trouble, read
from tests.support import ROOT, wait_until


def test_a_short_run_holds(tmp_path: Path) -> None:
    """12 seconds of all faults. A longer one is `make chaos`."""
    words = "--seed 7 --seconds 12 --calibrate 3 --workers 3 --producers 1 --floor 0 --keep --folder"
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
    assert done.stdout.count("\nholds ") == 16


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
    """The command lines of the processes that have something to do with a folder."""
    lines = (" ".join(_words(process)) for process in psutil.process_iter())
    return [line for line in lines if str(folder) in line]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline() if process.status() != psutil.STATUS_ZOMBIE else []
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
