"""Memory: how many bytes this process uses, for what the worker says of itself."""

import contextlib
import os
import sys


def used_bytes() -> int:
    """What is resident now; where the system does not tell that, the most that was; 0 where it tells nothing."""
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(ImportError):
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    return 0
