"""What each level of durability costs on this machine: `python -m benchmarks.durability`. See docs/durability.md.

A primary and two replicas on the same disk; every figure is of one producer process, with the primary set as named.
"""

import asyncio
import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import redis

import barq
from barq.store.process import find_binary, free_port
from benchmarks.rig import PAYLOAD, machine, percentile

ROWS: tuple[tuple[str, str, str | barq.Durability], ...] = (
    ("local, no file (appendonly no)", "no", "local"),
    ("local (appendfsync everysec)", "everysec", "local"),
    ("fsync (appendfsync always)", "always", "fsync"),
    ("replicated(1) (everysec)", "everysec", barq.replicated(1)),
    ("replicated(2) (everysec)", "everysec", barq.replicated(2)),
    ("replicated(1) (always)", "always", barq.replicated(1)),
)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="barq-bench-") as folder, replica_set(Path(folder)) as primary:
        print("\n".join(machine(primary)))
        print(f"{'level':<36} {'alone p50':>10} {'p99':>9} {'by 100, /s':>12} {'bulk, /s':>10}")
        for name, sync, level in ROWS:
            primary.flushall()
            primary.config_set("appendonly", "no" if sync == "no" else "yes")
            if sync != "no":
                primary.config_set("appendfsync", sync)
            while primary.info("persistence")["aof_rewrite_in_progress"]:
                time.sleep(0.05)
            time.sleep(1)
            port = primary.connection_pool.connection_kwargs["port"]
            alone, by_many, bulk = asyncio.run(measured(f"redis://127.0.0.1:{port}", level))
            p50, p99 = (percentile(alone, share) * 1000 for share in (0.5, 0.99))
            print(f"{name:<36} {p50:>7.2f} ms {p99:>6.2f} ms {by_many:>12,.0f} {bulk:>10,.0f}", flush=True)


async def measured(url: str, level: str | barq.Durability) -> tuple[list[float], float, float]:
    async with barq.Queue(url=url, durability=level, timeout=30) as queue:
        await queue.enqueue("email", PAYLOAD)
        alone = []
        for _ in range(1000):
            began = time.perf_counter()
            await queue.enqueue("email", PAYLOAD)
            alone.append(time.perf_counter() - began)

        async def producer() -> None:
            for _ in range(150):
                await queue.enqueue("email", PAYLOAD)

        began = time.perf_counter()
        await asyncio.gather(*(producer() for _ in range(100)))
        by_many = 15_000 / (time.perf_counter() - began)
        began = time.perf_counter()
        await queue.enqueue_many("email", [PAYLOAD] * 30_000)
        return alone, by_many, 30_000 / (time.perf_counter() - began)


@contextlib.contextmanager
def replica_set(folder: Path) -> Iterator[redis.Redis]:
    """The client of a primary with two replicas."""
    binary, ports, started = find_binary(), [free_port("127.0.0.1") for _ in range(3)], []
    try:
        for port in ports:
            place = folder / str(port)
            place.mkdir()
            options = ["--port", str(port), "--dir", str(place), "--save", "", "--repl-diskless-sync-delay", "0"]
            if port != ports[0]:
                options += ["--replicaof", f"127.0.0.1 {ports[0]}"]
            started.append(subprocess.Popen([str(binary), *options], stdout=subprocess.DEVNULL))
        client = redis.Redis(port=ports[0])
        give_up_at = time.monotonic() + 20
        while True:
            with contextlib.suppress(redis.ConnectionError):
                if client.info("replication")["connected_slaves"] == 2:
                    break
            if time.monotonic() > give_up_at:
                raise SystemExit("the replicas do not follow")
            time.sleep(0.05)
        yield client
    finally:
        for process in started:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
