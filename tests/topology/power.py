"""A power cut: the server is killed, and what it wrote but did not sync to disk is cut off its append-only file.

strace says which bytes those are: all that was written when a sync began is on disk when that sync has ended.
"""

import re
import shutil
from pathlib import Path

import pytest

from tests.support import Server, wait_until

_OPENED = re.compile(r'openat\(.*incr\.aof"?.*\) += (\d+)$')
_WRITTEN = re.compile(r"^(\d+) +write\((\d+), .*\) += (\d+)$")
_SYNC_BEGINS = re.compile(r"^(\d+) +f(?:data)?sync\((\d+)(\) += 0| <unfinished)")
_SYNC_ENDS = re.compile(r"^(\d+) +<\.\.\. f(?:data)?sync resumed>\) += 0$")


class PoweredServer(Server):
    """A server whose machine can lose its power."""

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder, *options)
        strace = shutil.which("strace")
        if strace is None:
            pytest.skip("needs strace, to see what the server has synced to disk")
        self._trace = folder / "trace"
        # -D: the server is our child, not strace's
        self.wrapper = (strace, "-f", "-D", "-e", "trace=openat,write,fsync,fdatasync", "-o", str(self._trace))

    def cut_power(self) -> int:
        """Returns how many bytes were lost."""
        self.kill()
        wait_until(lambda: "+++ killed by SIGKILL +++" in _last_line(self._trace), "the trace has ended")
        file = next(self.folder.glob("appendonlydir/*.incr.aof"))
        synced = _synced(self._trace.read_text(errors="replace"))
        lost = file.stat().st_size - (self._begun_with + synced)
        with file.open("r+b") as opened:
            opened.truncate(self._begun_with + synced)
        return lost

    def start(self) -> "PoweredServer":
        self._begun_with = sum(file.stat().st_size for file in self.folder.glob("appendonlydir/*.incr.aof"))
        super().start()
        return self


def _synced(trace: str) -> int:
    """How many of the bytes that were appended since the server's start are on disk."""
    number, written, synced = "", 0, 0
    begun: dict[str, int] = {}
    for line in trace.splitlines():
        if opened := _OPENED.search(line):
            number, written, synced = opened[1], 0, 0
        elif (write := _WRITTEN.match(line)) and write[2] == number:
            written += int(write[3])
        elif (begin := _SYNC_BEGINS.match(line)) and begin[2] == number:
            if begin[3].startswith(")"):
                synced = written
            else:
                begun[begin[1]] = written
        elif end := _SYNC_ENDS.match(line):
            synced = max(synced, begun.pop(end[1], 0))
    return synced


def _last_line(file: Path) -> str:
    return file.read_text(errors="replace").rstrip().rpartition("\n")[2]
