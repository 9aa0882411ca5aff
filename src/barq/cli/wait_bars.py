"""The bars of `barq wait`: one for all jobs, and one for each that runs, as many as fit; on a terminal, with rich."""

import contextlib
import importlib.util
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_OTHER_LINES: Final = 3


class Bars:
    """`shown` is False where there is nothing to draw on: then its methods do nothing."""

    def __init__(self, total: int, drawn: "Progress | None" = None) -> None:
        self.shown = drawn is not None
        self._drawn = drawn
        self._tasks: dict[int, TaskID] = {}
        self._most = max(1, shutil.get_terminal_size().lines - _OTHER_LINES)
        self._all = drawn.add_task("ended", total=total) if drawn else None

    def runs(self, id: int, name: str, percent: int) -> None:
        if self._drawn is None:
            return
        if id not in self._tasks and len(self._tasks) < self._most:
            self._tasks[id] = self._drawn.add_task(name[:40], total=100)
        if id in self._tasks:
            self._drawn.update(self._tasks[id], completed=percent)

    def rests(self, id: int) -> None:
        if self._drawn is not None and id in self._tasks:
            self._drawn.remove_task(self._tasks.pop(id))

    def ended(self, id: int) -> None:
        self.rests(id)
        if self._drawn is not None and self._all is not None:
            self._drawn.advance(self._all)


@contextlib.contextmanager
def bars(total: int) -> Iterator[Bars]:
    if not sys.stderr.isatty() or importlib.util.find_spec("rich") is None:
        yield Bars(total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as drawn:
        yield Bars(total, drawn)
