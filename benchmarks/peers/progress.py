"""Progress: what is going on, on stderr: a bar with rich on a terminal, else a line per step."""

import sys
import time
from typing import Any


class Progress:
    def __init__(self) -> None:
        self._began = time.monotonic()
        self._total = self._done = 0
        self._bar: Any = None
        self._task: Any = None

    def start(self, total: int) -> None:
        self._total, self._began = total, time.monotonic()
        if not sys.stderr.isatty():
            return
        try:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar
        except ImportError:
            return
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        console = Console(stderr=True)
        # Drawn between the steps only: a thread that draws would take from what is measured.
        self._bar = Bar(*columns, TextColumn("{task.description}"), console=console, auto_refresh=False)
        self._bar.start()
        self._task = self._bar.add_task("", total=total)

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def done(self, peer: str, step: str, text: str) -> None:
        self._done += 1
        if self._bar is not None:
            self._bar.update(self._task, advance=1, description=peer)
            self._bar.console.print(f"{peer}: {step}: {text}", style="dim", highlight=False, markup=False)
            self._bar.refresh()
        else:
            passed = int(time.monotonic() - self._began)
            self.say(f"[{self._done}/{self._total} {passed // 60}:{passed % 60:02}] {peer}: {step}: {text}")

    def end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
