"""The model: what the commands mean, in plain Python. No server, no efficiency: to be read beside the Lua scripts.

A command takes what its call takes and returns what its call returns. What it moved goes to `entries`, one for each call
that moved something, as the stream of events has it.
"""

import math
from dataclasses import dataclass, field
from typing import Any, TypeVar

from barq.protocol.calls import TYPE_FULL
from barq.states import ENDINGS, EVENTS, FINISHED, State

T = TypeVar("T")
Happening = tuple[str, int]
"""(event, id)"""
Claimed = tuple[list[tuple[int, str]], int | None]


@dataclass
class Job:
    id: int
    type: str
    priority: int
    state: State | None = None
    score: int = 0
    attempt: int = 0
    failures: int = 0
    rescues: int = 0
    token: str | None = None  # of who holds it
    ended: tuple[int, str, bytes | str] | None = None  # when, counts or token, body or the type of the error
    note: bytes | None = None
    data: bytes = b"{}"
    past: list[tuple[int, str, bytes | str]] = field(default_factory=list)  # how attempts ended that were tried again
    log: list[str] = field(default_factory=list)
    steps: dict[str, bytes] = field(default_factory=dict)

    @property
    def counts(self) -> str:
        return f"{self.attempt} {self.failures} {self.rescues}"


@dataclass(frozen=True)
class New:
    """A job of an enqueue; `due_ms` from now on, or None for at once."""

    type: str
    priority: int = 0
    due_ms: int | None = None
    token: str | None = None
    watch: bool = False


@dataclass(frozen=True)
class Ended:
    """A settlement."""

    id: int
    type: str
    token: str
    kind: str
    retry_ms: str = ""
    body: bytes = b""


@dataclass(frozen=True)
class Said:
    """A word of a running attempt."""

    id: int
    token: str
    kind: str
    body: bytes


class Model:
    """A queue. `keep` is how many jobs that completed, and that failed or were cancelled, each type keeps."""

    def __init__(self, now_ms: int, *, keep_completed: int, keep_failed: int) -> None:
        self.now = now_ms
        self.jobs: dict[int, Job] = {}
        self.entries: list[list[Happening]] = []
        self.watched: set[int] = set()
        self.letters: list[list[Happening]] = []  # what watchers are told, call by call
        self.alive: dict[str, int] = {}  # workers, and until when they live
        self.pauses: dict[str, float] = {}  # type ('' is the queue) -> until when
        self.lapsed: set[str] = set()  # types whose pause ended by itself; who waits for them was told when
        self._keep = {State.COMPLETED: keep_completed, State.FAILED: keep_failed, State.CANCELLED: keep_failed}
        self._last_id = 0
        self._tokens: dict[str, int] = {}
        self._happened: list[Happening] = []

    # ---- what can be asked of it

    def line(self, type: str, state: State) -> list[int]:
        """Lines are ordered by score, then by id."""
        jobs = [job for job in self.jobs.values() if (job.type, job.state) == (type, state)]
        return [job.id for job in sorted(jobs, key=lambda job: (job.score, job.id))]

    def holder(self, job_id: int) -> str | None:
        return self.jobs[job_id].token if job_id in self.jobs else None

    # ---- commands

    def enqueue(self, batch: list[New], max_waiting: int | None = None) -> list[int]:
        """Ids, or TYPE_FULL for each that was refused."""
        ids: list[int] = []
        refused: set[str | None] = set()  # tokens
        for new in batch:
            known = self._tokens.get(new.token) if new.token else None
            if known is None and max_waiting is not None:
                waiting = len(self.line(new.type, State.WAITING)) + len(self.line(new.type, State.DELAYED))
                if waiting >= max_waiting or (new.token and new.token in refused):
                    refused.add(new.token)
                    known = TYPE_FULL
            if known is None:
                self._last_id += 1
                known = self._last_id
                job = self.jobs[known] = Job(known, new.type, new.priority)
                if new.due_ms:
                    self._enter(job, State.DELAYED, self.now + new.due_ms)
                else:
                    self._enter(job, State.WAITING, job.priority)
                self.lapsed.discard(new.type)
                if new.token:
                    self._tokens[new.token] = known
                if new.watch:
                    self.watched.add(known)
            ids.append(known)
        return self._told(ids)

    def claim(
        self,
        types: dict[str, int],
        *,
        worker: str,
        nonce: str,
        lease_ms: int,
        poison: int,
        most: int,
        chores: bool,
    ) -> Claimed:
        """Hands out (id, token)*, or says in how many ms something is due."""
        for type_ in types if chores else ():
            self._promote_due(type_)
            self._rescue_lost(type_, poison)
        self.lapsed -= {type_ for type_ in types if chores and not self.is_paused(type_)}
        handed = []
        for job_id in self._choose(types, most):
            job = self.jobs[job_id]
            job.attempt += 1
            job.token = f"{job.attempt} {nonce} {worker} {self.now} {job.failures} {job.rescues}"
            self._enter(job, State.ACTIVE, self.now + lease_ms)
            handed.append((job_id, job.token))
        return self._told((handed, None if handed else self.next_due(types)))

    def settle(self, endings: list[Ended], *, prunes: bool) -> list[int]:
        """Returns the ids that the holder had lost."""
        stale = []
        for one in endings:
            if self.holder(one.id) != one.token:
                stale.append(one.id)
                continue
            job = self.jobs[one.id]
            match one.kind:
                case "complete":
                    self._end(job, State.COMPLETED, one.body)
                case "discard":
                    self._enter(job, None)
                case "fail" if not one.retry_ms:
                    self._end(job, State.FAILED, one.body)
                case "fail":
                    job.ended = (self.now, one.token, one.body)
                    job.past.append(job.ended)
                    job.failures += 1
                    self._enter(job, State.DELAYED, self.now + int(one.retry_ms))
                case "release":
                    self._enter(job, State.WAITING, job.priority)
                case "park":
                    job.ended = (self.now, one.token, one.body)
                    self._enter(job, State.BLOCKED, self.now)
        for type_ in dict.fromkeys(one.type for one in endings if prunes and one.id not in stale):
            for state, kind in ((State.COMPLETED, "complete"), (State.FAILED, "fail")):
                if any(
                    (one.type, one.kind, one.retry_ms) == (type_, kind, "") and one.id not in stale for one in endings
                ):
                    self._prune(type_, state)
        return self._told(stale)

    def turn(self, endings: list[Ended], types: dict[str, int], **claim: Any) -> tuple[list[int], Claimed]:
        """A settle and a claim, without chores and retention, whose moves are one entry."""
        before = len(self.entries), len(self.letters)
        answers = self.settle(endings, prunes=False), self.claim(types, chores=False, poison=0, **claim)
        for told, at in zip((self.entries, self.letters), before, strict=True):
            both = [happening for entry in told[at:] for happening in entry]
            told[at:] = [both] if both else []
        return answers

    def extend(self, holdings: list[tuple[int, str]], lease_ms: int) -> list[int]:
        lost = []
        for job_id, token in holdings:
            if self.holder(job_id) == token:
                self.jobs[job_id].score = self.now + lease_ms
            else:
                lost.append(job_id)
        return lost

    def report(self, words: list[Said]) -> list[int]:
        stale = []
        for word in words:
            if self.holder(word.id) != word.token:
                stale.append(word.id)
                continue
            if word.kind == "progress":
                self.jobs[word.id].note = word.body
            else:
                self.jobs[word.id].log.append(word.body.decode())
            self._happened.append((word.kind, word.id))
        return self._told(stale)

    def recall(self, job_id: int, token: str, name: str) -> tuple[bool, bytes | None]:
        """Whether it is held, and what is kept of the step."""
        if self.holder(job_id) != token:
            return False, None
        return True, self.jobs[job_id].steps.get(name)

    def keep(self, job_id: int, token: str, name: str, body: bytes) -> tuple[bool, bytes | None]:
        """The first result stays."""
        if self.holder(job_id) == token:
            self.jobs[job_id].steps.setdefault(name, body)
        return self.recall(job_id, token, name)

    def act(self, verb: str, ids: list[int]) -> list[str]:
        return self._told([self._act(verb, job_id) for job_id in ids])

    def edit(self, job_id: int, priority: int | None, data: bytes | None, *, retry: bool) -> str:
        """Another priority, other data (None: as it was), and with `retry` another run."""
        job = self.jobs.get(job_id)
        if job is None:
            return "missing"
        assert job.state is not None
        if job.state is State.ACTIVE or (retry and EVENTS.get((job.state, State.WAITING)) != "retry"):
            return job.state
        job.priority = job.priority if priority is None else priority
        job.data = job.data if data is None else data
        if job.state is State.WAITING:
            job.score = job.priority
        self._happened.append(("edit", job_id))
        if retry:
            self._act("retry", job_id)
        return self._told("")

    def pause(self, type: str, lasts_ms: int | None) -> bool:
        fresh = not self._holds(type)
        self.pauses[type] = math.inf if lasts_ms is None else self.now + lasts_ms
        return fresh

    def resume(self, type: str) -> bool:
        held = self._holds(type)
        if self.pauses.pop(type, None) is not None:
            self.lapsed -= {type} if type else self.lapsed
        return held

    def is_paused(self, type: str) -> bool:
        return self._holds("") or self._holds(type)

    def _holds(self, type: str) -> bool:
        return self.pauses.get(type, 0) > self.now

    def time_passes(self, ms: int, types: tuple[str, ...]) -> None:
        before = {type_ for type_ in types if self.is_paused(type_)}
        self.now += ms
        self.lapsed |= {type_ for type_ in before if not self.is_paused(type_)}

    def prune(self, type: str) -> int:
        return self._told(sum(self._prune(type, state) for state in self._keep))

    def watch(self, ids: list[int]) -> dict[int, State | None]:
        """Returns the states of those that are there; those that have not ended are watched from now on."""
        there = {job_id: self.jobs[job_id].state for job_id in ids if job_id in self.jobs}
        self.watched |= {job_id for job_id, state in there.items() if state not in FINISHED}
        return there

    def beat(self, worker: str, lives_ms: int) -> str:
        self.alive[worker] = self.now + lives_ms
        return ""

    def workers(self) -> set[str]:
        return {worker for worker, until in self.alive.items() if until > self.now}

    # ---- how they do it

    def _act(self, verb: str, job_id: int) -> str:
        job = self.jobs.get(job_id)
        if job is None:
            return "missing"
        assert job.state is not None
        target = {"cancel": State.CANCELLED, "remove": None}.get(verb, State.WAITING)
        if EVENTS.get((job.state, target)) != {"promote": "promotion"}.get(verb, verb):
            return job.state
        match verb:
            case "cancel":
                self._end(job, State.CANCELLED, b"")
            case "remove":
                self._enter(job, None)
            case "promote":
                self._enter(job, State.WAITING, job.priority)
            case "retry":
                if job.state is State.FAILED and job.ended:
                    job.past.append(job.ended)
                job.failures = job.rescues = 0
                job.note = None
                self._enter(job, State.WAITING, job.priority)
        return ""

    def _promote_due(self, type: str) -> None:
        for job_id in self.line(type, State.DELAYED):
            if self.jobs[job_id].score <= self.now:
                self._enter(self.jobs[job_id], State.WAITING, self.jobs[job_id].priority)

    def _rescue_lost(self, type: str, poison: int) -> None:
        for job_id in self.line(type, State.ACTIVE):
            job = self.jobs[job_id]
            if job.score >= self.now:
                continue
            if job.rescues >= poison:
                self._end(job, State.FAILED, "WorkerLost")
            else:
                job.rescues += 1
                self._enter(job, State.WAITING, job.priority)

    def _choose(self, types: dict[str, int], most: int) -> list[int]:
        """Every type gets an equal share first, then what the others left."""
        share = max(1, -(-most // len(types)))
        chosen: dict[str, list[int]] = {type_: [] for type_ in types}
        left = most
        for share_now in (share, most):
            for type_, cap in types.items():
                if self.is_paused(type_):
                    continue
                rest = [job_id for job_id in self.line(type_, State.WAITING) if job_id not in chosen[type_]]
                taken = rest[: max(0, min(cap - len(chosen[type_]), left, share_now))]
                chosen[type_] += taken
                left -= len(taken)
        return [job_id for ids in chosen.values() for job_id in ids]

    def next_due(self, types: dict[str, int]) -> int | None:
        times = []
        for job in self.jobs.values():
            if job.type in types and job.state is State.DELAYED:
                times.append(job.score)
            if job.type in types and job.state is State.ACTIVE:
                times.append(job.score + 1)
        ends = [max(self.pauses.get(type_, 0), self.pauses.get("", 0)) for type_ in types if self.is_paused(type_)]
        times += [int(end) for end in ends if end != math.inf]
        return max(0, min(times) - self.now) if times else None

    def _prune(self, type: str, state: State) -> int:
        line = self.line(type, state)
        extra = line[: max(0, len(line) - self._keep[state])]
        for job_id in extra:
            self._enter(self.jobs[job_id], None)
        return len(extra)

    def _end(self, job: Job, state: State, body: bytes | str) -> None:
        job.ended = (self.now, job.token or job.counts, body)
        self._enter(job, state, self.now)

    def _enter(self, job: Job, state: State | None, score: int = 0) -> None:
        """The only way from state to state."""
        event = EVENTS[job.state, state]
        self._happened.append((event, job.id))
        job.state, job.score = state, score
        if state is not State.ACTIVE:
            job.token = None
        if state is None:
            del self.jobs[job.id]
        assert (event in ENDINGS) == (state in (None, State.COMPLETED, State.FAILED, State.CANCELLED))

    def _told(self, answer: T) -> T:
        """What one call moved becomes one entry."""
        if self._happened:
            self.entries.append(self._happened)
        letters = [happening for happening in self._happened if happening[1] in self.watched]
        if letters:
            self.letters.append(letters)
        self.watched -= {job_id for event, job_id in letters if event in ENDINGS}
        self._happened = []
        return answer
