"""Checker: the verdict on a run, and its figures."""

from collections import Counter
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from tests.faults.causes import losses
from tests.faults.invariants import CHECKS
from tests.faults.records import Struck
from tests.faults.story import Story

MOST_TOLD: Final = 20
"""Of one invariant."""


@dataclass(repr=False)
class Verdict:
    """`broken`: invariant -> what was found (the first of it); `counts`: figures. `trouble`: what was seen on the way."""

    broken: dict[int, list[str]]
    counts: dict[str, int]
    trouble: list[str]

    @property
    def good(self) -> bool:
        return not (self.broken or self.trouble)


def check(story: Story) -> Verdict:
    broken: dict[int, list[str]] = {}
    for number, checks in sorted(CHECKS.items()):
        found = list(islice(chain.from_iterable(one(story) for one in checks), MOST_TOLD))
        if found:
            broken[number] = found
    return Verdict(broken, figures(story), list(story.trouble))


def figures(story: Story) -> dict[str, int]:
    lives = story.replayed.lives
    endings = Counter(ending for life in lives.values() for ending in life.endings)
    again = Counter(loss.cause or "without a cause" for loss in losses(story) if loss.start)
    return {
        "jobs": len(lives),
        "acknowledged": len(story.acked),
        "outcome unknown": len(story.unsure),
        **{f"ended by {name}": count for name, count in sorted(endings.items())},
        "runs": sum(len(starts) for starts in story.starts.values()),
        **{f"run again: {cause}": count for cause, count in again.most_common()},
        "steps": len(story.steps),
        "steps called again": sum(max(0, sum(not one.kept for one in told) - 1) for told in story.steps.values()),
        "settles refused": sum(not counts for settles in story.settles.values() for *_, counts in settles),
        "scripts over 20 ms": len(story.kept.slow),
        "faults": len(story.struck),
    }


def faults_by_call(story: Story) -> Counter[tuple[str, str]]:
    """How often each fault struck while each call was under way; `run`: only handlers were."""
    cells: Counter[tuple[str, str]] = Counter()
    for struck in story.struck:
        for name in struck.under_way or _else(story, struck):
            cells[struck.fault, name] += 1
    return cells


def _else(story: Story, struck: Struck) -> list[str]:
    for process in story.processes:
        if process.born.pid == struck.pid and process.born.limits:
            return ["run"]
    return ["idle"]
