"""Story: all that is known of a run when it is over: the ledgers of all processes, and what the server kept."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tests.faults.faults import FAULTS
from tests.faults.kept import Kept
from tests.faults.processes import Terms
from tests.faults.records import (
    Acked,
    AnyRecord,
    Asked,
    Born,
    Cancelling,
    Died,
    Phase,
    Settled,
    Started,
    Step,
    Struck,
    Trouble,
    Unsure,
    Waited,
    read,
)
from tests.faults.replay import Kind, Replayed, replay

Run = tuple[int, int]
"""(id, attempt)"""


@dataclass(slots=True, repr=False)
class Process:
    """A process of the run, with its records in order, and when it ended (None: it has not)."""

    born: Born
    records: list[AnyRecord] = field(default_factory=list)
    died_at: int | None = None


@dataclass(repr=False)
class Story:
    terms: Terms
    kept: Kept
    processes: list[Process] = field(default_factory=list)
    driver: list[AnyRecord] = field(default_factory=list)
    asked: dict[str, Asked] = field(default_factory=dict)
    acked: list[Acked] = field(default_factory=list)
    unsure: list[Unsure] = field(default_factory=list)
    cancels: list[Cancelling] = field(default_factory=list)
    waits: list[Waited] = field(default_factory=list)
    starts: dict[Run, list[tuple[Process, Started]]] = field(default_factory=dict)
    settles: dict[Run, list[tuple[Process, int, str, bool]]] = field(default_factory=dict)
    """When, in which way, and whether it counted."""
    steps: dict[int, list[Step]] = field(default_factory=dict)
    effects: Counter[int] = field(default_factory=Counter)
    """How often each job had its effect."""
    struck: list[Struck] = field(default_factory=list)
    key_of: dict[int, str] = field(default_factory=dict)

    def add(self, born: Born, records: list[AnyRecord]) -> Process:
        """The ledger of one process."""
        process = Process(born, records)
        self.processes.append(process)
        for record in records:
            match record:
                case Asked():
                    self.asked.setdefault(record.key, record)
                case Acked():
                    self.acked.append(record)
                    self.key_of.setdefault(record.id, record.key)
                case Unsure():
                    self.unsure.append(record)
                case Cancelling():
                    self.cancels.append(record)
                case Waited():
                    self.waits.append(record)
                case Started():
                    self.starts.setdefault((record.id, record.attempt), []).append((process, record))
                    self.key_of.setdefault(record.id, record.key)
                case Step():
                    self.steps.setdefault(record.id, []).append(record)
                case Settled():
                    for job_id, attempt, kind, counts in record.jobs:
                        self.settles.setdefault((job_id, attempt), []).append((process, record.at, kind, counts))
        return process

    def add_driver(self, records: list[AnyRecord]) -> None:
        """The ledger of the driver: faults, deaths, phases."""
        self.driver = records
        self.struck = [record for record in records if isinstance(record, Struck)]
        by_pid = {process.born.pid: process for process in self.processes}
        for record in records:
            if isinstance(record, Died) and record.pid in by_pid and by_pid[record.pid].died_at is None:
                by_pid[record.pid].died_at = record.at

    def phase(self, name: str) -> tuple[int, int]:
        """From when to when it went on; the time of the end for ever, when it never came."""
        phases = [record for record in self.driver if isinstance(record, Phase)]
        for this, following in zip(phases, [*phases[1:], None], strict=True):
            if this.name == name:
                return this.at, following.at if following else 2**62
        return 2**62, 2**62

    @property
    def trouble(self) -> list[str]:
        return [record.what for record in self.driver if isinstance(record, Trouble)]

    @cached_property
    def replayed(self) -> Replayed:
        return replay(self.kept.entries, self.kind)

    def kind(self, job_id: int) -> Kind:
        asked = self.asked.get(self.key_of.get(job_id) or self.kept.keys_of_jobs.get(job_id, ""))
        return Kind(asked.priority, asked.delay_ms, asked.backoff_ms, asked.discard) if asked else Kind()

    @cached_property
    def silences(self) -> "Silences":
        return Silences(self)


class Silences:
    """From when to when a worker's word could not reach the server, or the server's not the worker, for a reason on record."""

    def __init__(self, story: Story) -> None:
        self._slots: dict[tuple[str, bool], list[tuple[int, int]]] = {}
        for struck in story.struck:
            fault = FAULTS[struck.fault]
            for beats, lost_ms in ((True, fault.beats_lost_ms), (False, fault.claims_lost_ms)):
                if lost_ms is not None:
                    span = struck.at, struck.until + lost_ms * 1000
                    self._slots.setdefault((struck.slot, beats), []).append(span)

    def of(self, process: Process, begin: int, end: int, *, beats: bool) -> int:
        """How much of a time (microseconds) was silent, of heartbeats or of claims."""
        spans = [*self._slots.get((process.born.slot, beats), ()), *self._slots.get(("server", beats), ())]
        if process.died_at is not None:
            spans.append((process.died_at, 2**62))
        total, reached = 0, begin
        for first, last in sorted(spans):
            first, last = max(first, reached), min(last, end)
            if last > first:
                total += last - first
                reached = last
        return total

    def anywhere(self, begin: int, end: int) -> bool:
        return any(
            first < end and last > begin
            for (_, beats), spans in self._slots.items()
            if not beats
            for first, last in spans
        )


def read_story(folder: Path, terms: Terms, kept: Kept) -> Story:
    story = Story(terms, kept)
    for path in sorted(folder.glob("*.ledger")):
        if path.name == "driver.ledger":
            continue
        records = list(read(path))
        if records:
            assert isinstance(records[0], Born), path
            story.add(records[0], records)
    story.add_driver(list(read(folder / "driver.ledger")))
    return story
