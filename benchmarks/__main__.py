"""How fast barq is on this machine: `make bench`. Prints each row with its figures, and the budget's ratios with marks.

Everything is measured in one run on one server, pinned to one core, with barq pinned to another. The unit of the budget
is the rate at which one redis-py connection does one EVALSHA round trip after another, so that ratios hold on any machine.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from benchmarks import rows
from benchmarks.rig import Rig, machine, process_ms, rig


@dataclass(frozen=True)
class Row:
    name: str
    figures: dict[str, float]
    at_least: float | None = None  # of the round trips of one connection
    at_most: float | None = None

    def line(self, base: float) -> str:
        parts = [f"{key} {_shown(value)}" for key, value in self.figures.items()]
        value = next(iter(self.figures.values()))
        mark = ""
        if self.at_least is not None:
            ratio = value / base
            parts.insert(1, f"{ratio:.1f} x")
            mark = f"   (budget >= {self.at_least:g} x: {'met' if ratio >= self.at_least else 'MISSED'})"
        if self.at_most is not None:
            mark = f"   (budget <= {self.at_most:g}: {'met' if value <= self.at_most else 'MISSED'})"
        return f"{self.name:<44} {'  '.join(parts)}{mark}"


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each speed row is run; the median counts")
    parser.add_argument("--uvloop", action="store_true", help="uvloop instead of asyncio's own loop")
    arguments = parser.parse_args()
    run, loop = _loop(fast=arguments.uvloop)
    found: list[Row] = []
    with rig() as server:
        print("\n".join(machine(server.client)))
        print(f"loop {loop}; server and barq on a core each, no persistence; {arguments.rounds} rounds, medians\n")
        base = run(_median(rows.round_trips, server, arguments.rounds))["rate"]
        print(f"{'one EVALSHA round trip after another':<44} per s {base:,.0f}   (the unit)")
        for name, measure, at_least in _speed_rows():
            figures = run(_median(measure, server, arguments.rounds))
            found.append(Row(name, _named(figures), at_least=at_least))
            print(found[-1].line(base), flush=True)
        rates = {row.name: row.figures["per s"] for row in found}
        ceiling = run(_median(rows.scripts_alone, server, arguments.rounds))
        found.append(Row("the calls of a drain at 100 without handlers", _named(ceiling)))
        print(found[-1].line(base), flush=True)
        share = rates["drain, async no-op, concurrency 100"] / ceiling["rate"]
        found.append(Row("drain at 100 beside that", {"share": share}, at_least=0.55))
        print(found[-1].line(1.0), flush=True)
        share = rates["enqueue one by one, awaited"] / rates["bare EVALSHA round trips on barq's connection"]
        found.append(Row("enqueue one by one beside bare round trips", {"share": share}, at_least=0.8))
        print(found[-1].line(1.0), flush=True)
        found.append(Row("two worker processes, 1 ms CPU a job", run(rows.processes(server)), at_least=1.7))
        print(found[-1].line(1.0), flush=True)
        for name, measure, at_most in (
            ("pick-up latency when idle, ms", rows.pick_up, None),
            ("commands a second of an idle worker", rows.idle_commands, 2.0),
            ("memory of jobs, bytes", rows.memory, None),
        ):
            found.append(Row(name, run(measure(server)), at_most=at_most))
            print(found[-1].line(base), flush=True)
    for name, command, at_most in (
        (
            "import barq, ms (an empty interpreter's time included)",
            ("-c", "import barq; barq.Queue, barq.Worker"),
            120.0,
        ),
        ("barq --help, ms", ("-m", "barq", "--help"), 130.0),
        ("an empty interpreter, ms", ("-c", ""), None),
    ):
        found.append(Row(name, {"median": process_ms(*command)}, at_most=at_most))
        print(found[-1].line(base), flush=True)
    return 0


Measure = Callable[[Rig], Awaitable[dict[str, float]]]


def _speed_rows() -> list[tuple[str, Measure, float | None]]:
    speed: list[tuple[str, Measure, float | None]] = [
        ("bare EVALSHA round trips on barq's connection", rows.bare_round_trips, None),
        ("enqueue one by one, awaited", rows.enqueue_one_by_one, None),
        ("enqueue by 100 coroutines", rows.enqueue_by_many, 10),
        ("enqueue in bulk", rows.enqueue_in_bulk, 20),
    ]
    for concurrency, budget in ((1, None), (10, 5), (100, 15)):
        speed.append((f"drain, async no-op, concurrency {concurrency}", rows.drain(concurrency, plain=False), budget))
    plain = [(f"drain, plain no-op, concurrency {one}", rows.drain(one, plain=True), None) for one in (1, 10, 100)]
    return speed + plain


async def _median(measure: Measure, server: Rig, rounds: int) -> dict[str, float]:
    """The round with the median rate."""
    done = []
    for _ in range(rounds):
        server.clear()
        done.append(await measure(server))
    done.sort(key=lambda figures: figures["rate"])
    chosen = dict(done[len(done) // 2])
    if len(done) > 1:
        chosen["min"], chosen["max"] = done[0]["rate"], done[-1]["rate"]
    return chosen


def _named(figures: dict[str, float]) -> dict[str, float]:
    return {{"rate": "per s"}.get(key, key): value for key, value in figures.items()}


def _loop(*, fast: bool) -> tuple[Callable[[Any], Any], str]:
    if not fast:
        return asyncio.run, "asyncio"
    import uvloop

    return uvloop.run, f"uvloop {uvloop.__version__}"


if __name__ == "__main__":
    sys.exit(main())
