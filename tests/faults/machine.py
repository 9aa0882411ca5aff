"""Machine: how much of its processors others took while a run went on, so that a slow machine is not taken for a slow queue."""

import contextlib
import os

import psutil

MUCH: float = 0.25
"""So large a share makes rates say nothing: restarts, which need processor time before anything runs, take a multiple then."""


class Machine:
    """Looks from when it is made on."""

    def __init__(self) -> None:
        self._all, self._busy, self._own = _seconds()

    def taken(self) -> float:
        """The share of all processors that went to others than this process and those that it started."""
        whole, busy, own = _seconds()
        return max(0.0, (busy - self._busy) - (own - self._own)) / max(0.01, whole - self._all)


def _seconds() -> tuple[float, float, float]:
    """Of processor time so far: all that there was, what was used or stolen, and what was used by this run."""
    times = psutil.cpu_times()
    whole = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    idle = times.idle + getattr(times, "iowait", 0.0)
    here = os.times()
    own = here.user + here.system + here.children_user + here.children_system
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has just ended
            own += sum(child.cpu_times()[:4])
    return whole, whole - idle, own
