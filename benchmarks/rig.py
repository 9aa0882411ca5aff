"""Rig: a server on one core, barq on another, and what the server says of its own work."""

import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from barq.store.embedded import ensure

PAYLOAD = {"phoneNumber": "4153518780", "message": "This is the code 1234 to verify your account"}
SERVER_CORE, CLIENT_CORE = 0, 1
CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}


@dataclass
class Rig:
    url: str
    client: redis.Redis
    pid: int
    folder: Path

    def cpu_seconds(self) -> float:
        """CPU that the server has used so far."""
        used = self.client.info("cpu")
        return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])

    def commands(self) -> int:
        """Commands that workers sent so far; those inside of scripts do not travel."""
        stats = self.client.info("commandstats")
        sent = ("evalsha", "eval", "evalsha_ro", "eval_ro", "bzpopmin", "xread", "ping", "client|unblock")
        return sum(int(stats[f"cmdstat_{name}"]["calls"]) for name in sent if f"cmdstat_{name}" in stats)

    def script_us(self) -> tuple[int, float]:
        """How many scripts ran so far, and how long they took in all, in us, as the server measured it."""
        stats = self.client.info("commandstats")
        told = [
            stats[f"cmdstat_{name}"]
            for name in ("evalsha", "eval", "evalsha_ro", "eval_ro")
            if f"cmdstat_{name}" in stats
        ]
        return sum(int(one["calls"]) for one in told), sum(float(one["usec"]) for one in told)

    def memory(self) -> int:
        return int(self.client.info("memory")["used_memory"])

    def clear(self) -> None:
        self.client.execute_command("FLUSHALL", "SYNC")  # else a thread of the server frees it meanwhile

    @contextmanager
    def all_cores(self) -> Iterator[None]:
        """For processes started meanwhile: every core, not only the one that is left beside the server."""
        before = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else None
        if before:
            os.sched_setaffinity(0, CORES)
        try:
            yield
        finally:
            if before:
                os.sched_setaffinity(0, before)


@contextmanager
def rig(*, append_only: bool = False) -> Iterator[Rig]:
    """The bundled server, fresh, pinned to one core; this process and its children are pinned to the other meanwhile."""
    folder = Path(tempfile.mkdtemp(prefix="barq-bench-"))
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    try:
        address = ensure(folder)
        if {SERVER_CORE, CLIENT_CORE} <= CORES:
            for thread in Path(f"/proc/{address.pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {SERVER_CORE})
            os.sched_setaffinity(0, {CLIENT_CORE})
        client = redis.Redis(host=address.host, port=address.port, retry=None)  # a server that ends is no fault
        if not append_only:
            client.config_set("appendonly", "no")
        try:
            yield Rig(address.url, client, address.pid, folder)
        finally:
            client.shutdown(nosave=True)
            client.close()
    finally:
        if before:
            os.sched_setaffinity(0, before)
        shutil.rmtree(folder, ignore_errors=True)


def machine(server: redis.Redis) -> list[str]:
    info = server.info("server")
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (found := re.search(r"model name\s*: (.*)", cpuinfo.read_text())):
        model = found[1]
    return [
        f"machine: {os.cpu_count()} cores, {model}; {platform.system()} {platform.release()}",
        f"Python {platform.python_version()}, redis-py {redis.__version__}, "
        f"{'valkey ' + info['valkey_version'] if 'valkey_version' in info else 'redis ' + info['redis_version']}",
    ]


def process_ms(*command: str, runs: int = 9) -> float:
    """Median wall time of a whole process, in ms, once its modules are compiled, as an installer does."""
    times = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, capture_output=True, env={**os.environ, **COMPILED})
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times[1:])


COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}
"""For the environment of a process whose start is measured: where it is set, every start compiles anew."""


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
