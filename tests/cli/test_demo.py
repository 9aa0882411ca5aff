"""`barq demo` as a process: what it shows, how it ends, that it leaves nothing behind. And how it counts and draws."""

import codecs
import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from barq.cli.demo_tally import Tally, duration, percentile
from barq.cli.demo_view import picture
from barq.events import Event, Progress
from barq.outcome import ErrorInfo
from tests.support import wait_until

DEMO = "from barq.cli.demo import demo; demo()"
WITHOUT_WEB = "sys.modules['uvicorn'] = None"
EVENT_LINE = re.compile(r" *\d+\.\d\d s  job \d+ (created|started|\d+%|completed: .+|failed.*|handed back)")


class Running:
    """A demo whose output is collected; its temporary folder is the test's."""

    def __init__(self, folder: Path, *words: str, code: str = DEMO, terminal: tuple[int, int] | None = None) -> None:
        self.folder = folder
        self.output = ""
        environment = {**os.environ, "TMPDIR": str(folder), "TERM": "xterm-256color"}
        command = [sys.executable, "-c", code, *words]
        if terminal is None:
            self.process = subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
            )
            assert self.process.stdout is not None
            self._source = os.dup(self.process.stdout.fileno())
            self.process.stdout.close()
        else:
            self._source, end = pty.openpty()
            fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", terminal[1], terminal[0], 0, 0))
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdin=end,
                stdout=end,
                stderr=end,
                start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            )
            os.close(end)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")()
        with contextlib.suppress(OSError):  # how a terminal says that the other side is gone
            while part := os.read(self._source, 65536):
                self.output += decoder.decode(part)

    def shows(self, text: str) -> None:
        wait_until(lambda: text in self.output or self.process.poll() is not None, f"it shows {text}")
        assert text in self.output, self.output

    def press_ctrl_c(self) -> None:
        os.write(self._source, b"\x03")

    def family(self) -> list[psutil.Process]:
        """The server and the workers."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def ends(self, *, seconds: float = 40) -> int:
        code = self.process.wait(seconds)
        self._reader.join(5)
        return code

    def close(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in self.family():
                process.kill()
        self.process.kill()
        self.process.wait()
        self._reader.join(5)
        os.close(self._source)


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Running] = []

    def one(*words: str, **options: Any) -> Running:
        started.append(Running(tmp_path, *words, **options))
        return started[-1]

    yield one
    for running in started:
        running.close()


def left_behind(family: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def check_summary(text: str) -> None:
    assert re.search(r"barq demo: \d+ jobs in \d+\.\d s", text), text
    for row in (r"done +\d+ +\d+\.\d a second", "waiting +p50 .+, p95 .+", "running +p50 .+, p95 .+"):
        assert re.search(row, text), text


# ---- as a process


def test_without_a_terminal_it_prints_events_and_a_summary(start: Start, tmp_path: Path) -> None:
    demo = start("--seconds", "3")
    demo.shows("started")
    family = demo.family()
    assert len(family) >= 3  # a server, two workers, and soon the dashboard
    assert demo.ends() == 0
    events, _, summary = demo.output.partition("barq demo: ")
    lines = [line for line in events.splitlines() if not line.startswith("Dashboard: ")]
    assert all(EVENT_LINE.fullmatch(line) for line in lines), events
    assert "completed" in events
    check_summary("barq demo: " + summary)
    assert left_behind(family) == []
    assert list(tmp_path.iterdir()) == []


def test_it_opens_onto_the_dashboard(start: Start) -> None:
    demo = start("--rate", "30")
    demo.shows("Dashboard: http://")
    found = re.search(r"Dashboard: (http://[\d.:]+)", demo.output)
    assert found
    assert "static/" in httpx.get(found[1], headers={"accept": "text/html"}, timeout=20).text

    def told() -> Any:
        return httpx.get(f"{found[1]}/overview", timeout=20).json()

    wait_until(lambda: len(told().get("types", [])) >= 4 and told()["running"], "jobs of several types run")
    wait_until(lambda: told().get("failures"), "some fail, on purpose", seconds=60)
    assert {group["place"].partition(":")[0] for group in told()["failures"]} == {"demo_jobs.py"}
    family = demo.family()
    demo.process.send_signal(signal.SIGINT)
    assert demo.ends(seconds=15) == 0
    assert left_behind(family) == []


@pytest.mark.parametrize(("words", "code"), [(["--no-dashboard"], DEMO), ([], f"import sys; {WITHOUT_WEB}; {DEMO}")])
def test_it_works_without_the_dashboard(words: list[str], code: str, start: Start) -> None:
    demo = start("--seconds", "1", *words, code=code)
    assert demo.ends() == 0
    assert "Dashboard" not in demo.output
    check_summary("barq demo: " + demo.output.partition("barq demo: ")[2])


def test_ctrl_c_ends_it_with_a_summary(start: Start, tmp_path: Path) -> None:
    demo = start()
    demo.shows("completed")
    family = demo.family()
    demo.process.send_signal(signal.SIGINT)
    assert demo.ends(seconds=10) == 0
    check_summary(demo.output)
    assert "Traceback" not in demo.output
    assert left_behind(family) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("terminal", [(80, 24), (120, 40), (50, 20)])
def test_in_a_terminal_it_draws_and_ctrl_c_ends_it(terminal: tuple[int, int], start: Start, tmp_path: Path) -> None:
    demo = start("--no-dashboard", "--rate", "8", terminal=terminal)
    demo.shows("✓ completed")
    family = demo.family()
    demo.press_ctrl_c()
    assert demo.ends(seconds=10) == 0
    drawn, left, after = demo.output.partition("\x1b[?1049l")
    assert "\x1b[?1049h" in drawn, drawn
    assert left
    assert "Running" in drawn
    assert "Stopping" in drawn
    check_summary(after)
    assert "Traceback" not in demo.output
    assert left_behind(family) == []
    assert list(tmp_path.iterdir()) == []


def test_a_second_ctrl_c_does_not_wait_for_running_jobs(start: Start, tmp_path: Path) -> None:
    demo = start("--no-dashboard", "--rate", "10", terminal=(80, 24))
    demo.shows("✓ completed")
    demo.press_ctrl_c()
    demo.shows("Stopping")
    demo.press_ctrl_c()
    assert demo.ends(seconds=10) == 0
    check_summary(demo.output.partition("\x1b[?1049l")[2])
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_without_rich_gets_lines(start: Start) -> None:
    code = f"import sys; sys.modules['rich'] = sys.modules['rich.console'] = None; {DEMO}"
    demo = start("--no-dashboard", "--seconds", "1", code=code, terminal=(80, 24))
    assert demo.ends() == 0
    assert "\x1b" not in demo.output
    assert "started" in demo.output
    check_summary(demo.output)


def test_killed_it_takes_server_and_workers_with_it(start: Start) -> None:
    demo = start()
    demo.shows("started")
    family = demo.family()
    demo.process.kill()
    wait_until(lambda: left_behind(family) == [], "server and workers end")


def test_a_worker_that_dies_is_reported(start: Start, tmp_path: Path) -> None:
    demo = start("--no-dashboard")
    demo.shows("completed")
    workers = [process for process in demo.family() if "worker" in process.cmdline()]
    assert len(workers) == 2
    workers[0].kill()
    assert demo.ends() == 1
    assert "barq: a worker ended by itself" in demo.output
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_ends_it(tmp_path: Path) -> None:
    command = f'{sys.executable} -c "{DEMO}" | head -n 3'
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert len(done.stdout.splitlines()) == 3
    assert "Traceback" not in done.stderr
    wait_until(lambda: not list(tmp_path.iterdir()), "the folder is removed")


@pytest.mark.parametrize("words", [["--seconds", "0"], ["--rate", "0"], ["--rate", "x"], ["now"]])
def test_a_wrong_word_is_a_usage_error(words: list[str], start: Start) -> None:
    assert start(*words).ends() == 2


# ---- how it counts

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)


def event(name: str, id: int, seconds: float, data: Any = None) -> Event:
    return Event(name, "push_notification", id, BEGIN + timedelta(seconds=seconds), data)


def test_a_life_with_a_retry() -> None:
    tally = Tally(2)
    tally.take(event("enqueue", 1, 0))
    assert list(tally.waiting) == [1]
    tally.take(event("start", 1, 0.5))
    tally.take(event("progress", 1, 1, Progress(40)))
    assert [run and run.percent for run in tally.running] == [40, None]
    tally.take(event("failed attempt", 1, 1.5, ErrorInfo("ValueError", "no signal")))
    assert (tally.busy, tally.retrying) == (0, {1})
    tally.take(event("promotion", 1, 3))
    tally.take(event("start", 1, 3.25))
    assert tally.running[0] is not None
    assert tally.running[0].again
    tally.take(event("complete", 1, 4.25))
    assert (tally.created, tally.completed, tally.failed, tally.retried, tally.busy) == (1, 1, 0, 1, 0)
    assert (tally.waited, tally.ran) == ([0.5], [1.0, 1.0])
    assert [(one.how, one.words) for one in tally.recent] == [("completed", "in 1.0 s"), ("retried", "no signal")]


def test_a_run_keeps_its_place_and_the_lowest_free_one_is_taken() -> None:
    tally = Tally(2)
    for id in (1, 2, 3):
        tally.take(event("start", id, 0))
    tally.take(event("failed", 1, 1, ErrorInfo("ValueError", "")))
    assert [run and run.job_id for run in tally.running] == [None, 2, 3]
    tally.take(event("requeue", 3, 1))
    tally.take(event("start", 4, 1))
    assert [run and run.job_id for run in tally.running] == [4, 2, None]
    assert tally.failed == 1


def test_a_summary_of_nothing() -> None:
    assert "0 jobs" in Tally(1).summary()


def test_percentiles() -> None:
    hundred = list(range(100, 0, -1))
    assert [percentile(hundred, share) for share in (0.5, 0.95, 1)] == [50, 95, 100]
    assert [percentile([7], share) for share in (0.01, 0.5, 0.95)] == [7, 7, 7]
    assert percentile([], 0.5) == 0


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 ms"), (0.0015, "2 ms"), (0.9994, "999 ms"), (0.9996, "1.0 s")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# ---- how it draws


@pytest.mark.parametrize("width", [1, 8, 20, 49, 80, 99, 100, 250])
@pytest.mark.parametrize("height", [1, 5, 8, 24, 60])
def test_a_picture_fits_any_terminal(width: int, height: int) -> None:
    tally = Tally(8)
    for stopping in (False, True):
        lines = picture(tally, width, height, where="Dashboard: http://127.0.0.1:3000", stopping=stopping)
        assert len(lines) == height
        assert max(line.cell_len for line in lines) <= width
        for id in range(1, 30):
            tally.take(event("enqueue", id, id))
            tally.take(event("start", id, id))
            if id % 3:
                tally.take(event("progress", id, id, Progress(id)))
                tally.take(event("complete" if id % 2 else "failed", id, id + 1, ErrorInfo("E", "long " * 50)))
