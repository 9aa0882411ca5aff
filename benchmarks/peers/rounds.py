"""Rounds: every step of every peer, peer by peer and then again. A peer that fails says why and the rest goes on."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.peers import steps
from benchmarks.peers.catalogue import OURS, Peer
from benchmarks.peers.environments import Environment, Unavailable, environment
from benchmarks.peers.processes import Broken
from benchmarks.peers.progress import Progress
from benchmarks.peers.results import About, Results, revision
from benchmarks.peers.steps import PAIRS, Figures, Pace
from benchmarks.rig import machine, rig

MOST_FAILURES = 2
FINDING = 3
"""How often a row is tried with more jobs until it is long enough to tell a peer's pace."""


@dataclass(frozen=True)
class Plan:
    rounds: int = 3
    seconds: float = 1.2
    """How long a row of one round takes at the pace of its peer."""
    idle_seconds: float = 10.0
    samples: int = 150
    pick_up_seconds: float = 4.0
    starts: int = 5


@dataclass(frozen=True)
class Step:
    peer: str
    name: str
    rows: tuple[str, ...]
    act: Callable[[], dict[str, Figures]]
    counts: bool = True
    """Whether its figures go into the report; the first pass only finds the pace."""


class Comparison:
    def __init__(self, peers: list[Peer], plan: Plan, progress: Progress, *, keep: Path | None) -> None:
        self._peers = peers
        self._plan = plan
        self._progress = progress
        self._keep = keep
        self._failed: dict[tuple[str, str], int] = {}
        self.results = Results(rounds=plan.rounds)

    def run(self) -> Results:
        with rig() as server:
            self.results.machine = [*machine(server.client), f"revision {revision()} of barq"]
        environments = self._environments()
        found = [step for phase in self._phases(environments) for step in phase]
        self._progress.start(len(found))
        try:
            for step in found:
                self._take(step)
                if self._keep is not None:
                    self.results.save(self._keep)
        finally:
            self._progress.end()
        return self.results

    def _environments(self) -> list[Environment]:
        ready = []
        for peer in self._peers:
            self._progress.say(f"{peer.name}: environment")
            try:
                made = environment(peer)
            except Unavailable as error:
                self.results.about[peer.name] = About("not measured", peer.settings, peer.guarantees)
                for row in ROWS:
                    self.results.failed(row, peer.name, str(error))
            else:
                ready.append(made)
                self.results.about[peer.name] = About(made.versions(), peer.settings, peer.guarantees)
        return ready

    def _phases(self, environments: list[Environment]) -> list[list[Step]]:
        plan = self._plan
        paces = {made.peer.name: Pace(plan.seconds) for made in environments}
        finding, once, measured = [], [], []
        for made in environments:
            name, pace = made.peer.name, paces[made.peer.name]
            finding += [self._pair(made, pair, pace, counts=False) for pair in PAIRS]
            standing = partial(steps.standing, made, samples=plan.samples, seconds=plan.pick_up_seconds)
            once += [
                Step(
                    name, "standing", ("idle", "resident", "pick_up"), partial(standing, idle_seconds=plan.idle_seconds)
                ),
                Step(name, "memory", ("memory",), partial(steps.memory, made, pace)),
                Step(name, "start-up", ("start_up",), partial(steps.start_up, made, plan.starts)),
            ]
            measured += [self._pair(made, pair, pace) for pair in PAIRS]
            measured.append(Step(name, "pick-up", ("pick_up",), partial(standing, idle_seconds=0)))
            if name == OURS:
                measured.append(Step(name, "round trips", ("round_trips",), partial(steps.round_trips, made, pace)))
        return [finding, once, *([measured] * plan.rounds)]

    def _pair(self, made: Environment, pair: steps.Pair, pace: Pace, *, counts: bool = True) -> Step:
        def act() -> dict[str, Figures]:
            found = steps.enqueue_and_drain(made, pair, pace)
            pace.learn(found)
            return found

        def find() -> dict[str, Figures]:
            for _ in range(FINDING):
                if pace.knows(found := act()):
                    break
            return found

        return Step(made.peer.name, pair.drain, (pair.enqueue, pair.drain), act if counts else find, counts)

    def _take(self, step: Step) -> None:
        key = (step.peer, step.name)
        if self._failed.get(key, 0) >= MOST_FAILURES:
            self._progress.done(step.peer, step.name, "left out, it failed before")
            return
        began = time.monotonic()
        try:
            found = step.act()
        except (Broken, OSError, ValueError) as error:
            self._failed[key] = self._failed.get(key, 0) + 1
            for row in step.rows:
                if step.counts or self._failed[key] >= MOST_FAILURES:
                    self.results.failed(row, step.peer, str(error))
            self._progress.done(step.peer, step.name, f"failed: {error}")
            return
        if step.counts:
            for row, figures in found.items():
                self.results.add(row, step.peer, figures)
        shown = ", ".join(f"{row} {shown_figures(figures)}" for row, figures in found.items())
        self._progress.done(step.peer, step.name, f"{shown} ({time.monotonic() - began:.1f} s)")


ROWS = (
    *(row for pair in PAIRS for row in (pair.enqueue, pair.drain)),
    "pick_up",
    "idle",
    "resident",
    "memory",
    "start_up",
)


def shown_figures(figures: Figures) -> str:
    return " ".join(
        f"{name} {value:,.1f}" if value < 100 else f"{name} {value:,.0f}" for name, value in figures.items()
    )
