"""Report: what a run found, for people."""

from collections import Counter

from tests.faults.checker import faults_by_call
from tests.faults.faults import FAULTS
from tests.faults.invariants import INVARIANTS
from tests.faults.run import Result


def report(result: Result) -> str:
    figures, lines = result.figures, []
    again = f"{figures.calibrated_again:,.0f} after them, " if figures.calibrated_again else ""
    lines.append(
        f"rate: {figures.calibrated:,.0f} jobs/s calibrated, {figures.under_faults:,.0f} under faults "
        f"({100 * figures.under_faults / max(1.0, figures.fair_rate):.0f} %), {again}at most {figures.most_unfinished} unfinished"
    )
    if not figures.judged:
        lines.append(
            f"NOT JUDGED: the rates, for others took {figures.taken_by_others:.0%} of this machine's processors meanwhile"
        )
    lines.append(
        f"drained in {figures.drain_seconds:.1f} s (deadline {figures.drain_deadline:.1f} s); "
        f"a lone job afterwards: {sorted(figures.calm_ms or [0])[len(figures.calm_ms) // 2]:.1f} ms"
    )
    if result.story is not None:
        lines += [f"{name}: {count:,}" for name, count in result.verdict.counts.items()]
        lines.append(f"faults a minute: {figures.faults_per_minute:.0f}")
        lines += table(faults_by_call(result.story))
    for number, says in INVARIANTS.items():
        found = result.verdict.broken.get(number)
        if result.story is not None:
            lines.append(f"{'BROKEN' if found else 'holds '} {number:2} {says}")
        lines += [f"         {what}" for what in found or ()]
    lines.append(f"took {figures.seconds:.0f} s, with {figures.looks} looks at all unfinished jobs")
    lines += [f"TROUBLE {what}" for what in result.verdict.trouble]
    return "\n".join(lines)


def table(cells: Counter[tuple[str, str]]) -> list[str]:
    """Faults down, calls across."""
    calls = sorted({call for _, call in cells})
    lines = [f"{'fault while under way:':22}" + "".join(f"{call:>9}" for call in calls)]
    for fault in FAULTS:
        counts = [cells[fault, call] for call in calls]
        if any(counts):
            lines.append(f"{fault:22}" + "".join(f"{count or '.':>9}" for count in counts))
    return lines
