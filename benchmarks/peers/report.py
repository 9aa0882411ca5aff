"""Report: the tables of docs/performance.md, with the rows where barq loses among them."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.peers.catalogue import OURS
from benchmarks.peers.results import Median, Results

MIB = 1024 * 1024
NOTHING = "-"


@dataclass(frozen=True)
class Row:
    """One figure that all peers are compared in, with what barq is to reach."""

    title: str
    row: str
    figure: str
    shown: Callable[[float], str]
    more_is_better: bool = False
    ratio: float | None = None
    """barq / the best peer: at least, or where less is better at most."""
    bound: float | None = None
    """barq's own figure at most."""


def _per_second(value: float) -> str:
    return f"{value:,.0f}/s"


def _ms(value: float) -> str:
    return f"{value:,.0f} ms" if value >= 10 else f"{value:.2f} ms"


def _bytes(value: float) -> str:
    return f"{value:,.0f} B"


def _mib(value: float) -> str:
    return f"{value / MIB:.1f} MiB"


def _percent(value: float) -> str:
    return f"{value:.2f} %"


def _plain(value: float) -> str:
    return f"{value:,.1f}"


SPEED = (
    Row("enqueue one by one, awaited", "enqueue_one", "rate", _per_second, True, 1.0),
    Row("enqueue by 100 callers, no bulk call", "enqueue_many", "rate", _per_second, True, 10.0),
    Row("enqueue bulk", "enqueue_bulk", "rate", _per_second, True, 3.0),
    Row("drain, concurrency 10", "drain_10", "rate", _per_second, True, 3.0),
    Row("drain, concurrency 100", "drain_100", "rate", _per_second, True, 8.0),
    Row("drain, plain functions, 32 threads", "drain_plain", "rate", _per_second, True, 2.0),
)
STANDING = (
    Row("pick-up by an idle worker, p50", "pick_up", "p50", _ms, ratio=0.8),
    Row("pick-up by an idle worker, p99", "pick_up", "p99", _ms, ratio=1.0),
    Row("server memory, waiting job", "memory", "waiting", _bytes, bound=260),
    Row("server memory, finished job kept", "memory", "kept", _bytes, bound=300),
    Row("commands a second, idle", "idle", "commands", _plain, bound=1.2),
    Row("worker's CPU, idle", "idle", "own", _percent, bound=0.3),
    Row("worker's memory after start", "resident", "bytes", _mib, bound=40 * MIB),
    Row("import", "start_up", "import", _ms, bound=120),
    Row("--help", "start_up", "help", _ms, bound=130),
)
EMPTY = Row("an empty interpreter", "start_up", "empty", _ms)
LEAST_OF_ROUND_TRIPS = 0.8


def report(results: Results) -> str:
    parts = ["\n".join(results.machine)]
    parts.append(
        "Server on one core, producer and worker on the other; a fresh server without persistence for each figure; "
        f"medians of {results.rounds} interleaved rounds (least to most). Every job of a row was run, once, with its data, "
        "or the row is an error."
    )
    if OURS in results.about and len(results.about) > 1:
        parts.append("### Against the best of the peers\n\n" + _against_best(results))
    parts.append(
        "### Enqueue: jobs a second, CPU of producer + server in µs a job\n\n" + _speed_table(results, SPEED[:3])
    )
    parts.append("### Drain: jobs a second, CPU of worker + server in µs a job\n\n" + _speed_table(results, SPEED[3:]))
    parts.append("### What it costs to stand there\n\n" + _standing_table(results))
    parts.append("### Who was measured, how, and what their users may rely on\n\n" + _about(results))
    if failures := _failures(results):
        parts.append("### Errors\n\n" + failures)
    return "\n\n".join(parts)


def _against_best(results: Results) -> str:
    lines = []
    for row in (*SPEED, *STANDING):
        ours = results.median(row.row, row.figure, OURS)
        best = _best(results, row)
        ratio = ours.value / best[1].value if ours and best and best[1].value else None
        lines.append(
            [
                row.title,
                row.shown(ours.value) if ours else _why(results, row, OURS),
                f"{row.shown(best[1].value)} ({best[0]})" if best else NOTHING,
                f"{ratio:.2f} x" if ratio is not None else NOTHING,
                _target(row),
                _verdict(row, ours, best[1] if best else None, ratio),
            ]
        )
        if row.row == "enqueue_one":
            lines += _against_round_trips(results, ours)
    return _table(["row", "barq", "best peer", "barq / best", "target", ""], lines)


def _against_round_trips(results: Results, ours: Median | None) -> list[list[str]]:
    bare = results.median("round_trips", "rate", OURS)
    if ours is None or bare is None:
        return []
    ratio = ours.value / bare.value
    return [
        [
            "the same beside bare EVALSHA round trips on its connection",
            _per_second(ours.value),
            f"{_per_second(bare.value)} (round trips)",
            f"{ratio:.2f} x",
            f"≥ {LEAST_OF_ROUND_TRIPS} x",
            "met" if ratio >= LEAST_OF_ROUND_TRIPS else "**missed**",
        ]
    ]


def _best(results: Results, row: Row) -> tuple[str, Median] | None:
    found = [
        (peer, median)
        for peer in results.about
        if peer != OURS and (median := results.median(row.row, row.figure, peer)) is not None
    ]
    if not found:
        return None
    return (max if row.more_is_better else min)(found, key=lambda one: one[1].value)


def _target(row: Row) -> str:
    if row.ratio is not None:
        return f"{'≥' if row.more_is_better else '≤'} {row.ratio:g} x"
    return f"≤ {row.shown(row.bound)}" if row.bound is not None else ""


def _verdict(row: Row, ours: Median | None, best: Median | None, ratio: float | None) -> str:
    """Whether the target is met, and wherever a peer does better than barq."""
    if ours is None:
        return "**error**"
    if row.bound is not None:
        met = ours.value <= row.bound
    elif row.ratio is not None and ratio is not None:
        met = ratio >= row.ratio if row.more_is_better else ratio <= row.ratio
    else:
        return NOTHING
    loses = best is not None and (ours.value < best.value if row.more_is_better else ours.value > best.value)
    return ("met" if met else "**missed**") + (", barq loses" if loses else "")


def _speed_table(results: Results, rows: tuple[Row, ...]) -> str:
    lines = [[peer, *(_speed(results, row, peer) for row in rows)] for peer in results.about]
    return _table(["peer", *(row.title for row in rows)], lines)


def _speed(results: Results, row: Row, peer: str) -> str:
    rate = results.median(row.row, "rate", peer)
    if rate is None:
        return _why(results, row, peer)
    cell = f"{rate.value:,.0f}"
    if rate.least != rate.most:
        cell += f" ({rate.least:,.0f} to {rate.most:,.0f})"
    own, server = results.median(row.row, "own", peer), results.median(row.row, "server", peer)
    if own is not None and server is not None:
        cell += f"; {own.value:,.0f} + {server.value:,.0f} µs"
    return cell


def _standing_table(results: Results) -> str:
    lines = [[peer, *(_standing(results, row, peer) for row in (*STANDING, EMPTY))] for peer in results.about]
    return _table(["peer", *(row.title for row in (*STANDING, EMPTY))], lines)


def _standing(results: Results, row: Row, peer: str) -> str:
    median = results.median(row.row, row.figure, peer)
    return row.shown(median.value) if median is not None else _why(results, row, peer)


def _about(results: Results) -> str:
    lines = [[peer, about.versions, about.settings, about.guarantees] for peer, about in results.about.items()]
    return _table(["peer", "versions", "settings", "guarantees"], lines)


def _table(head: list[str], lines: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *lines))


def _why(results: Results, row: Row, peer: str) -> str:
    return "error" if results.why_not(row.row, peer) else NOTHING


def _failures(results: Results) -> str:
    found: dict[tuple[str, str], list[str]] = {}
    for row, peers in results.failures.items():
        for peer, why in peers.items():
            found.setdefault((peer, why), []).append(row)
    return "\n".join(f"- {peer} ({', '.join(rows)}): {why}" for (peer, why), rows in found.items())
