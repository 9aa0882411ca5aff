"""The scripts against the model: whatever is asked in whatever order, both keep and tell the same.

BARQ_MODEL_STEPS=50000 makes more steps than the usual 3,000, BARQ_MODEL_RANDOM=1 other ones every time. With
BARQ_MODEL_QUICK=1 the first that fails ends it, and is not made small.
"""

import itertools
import os
import uuid
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from barq.options import Retention, limits
from barq.outcome import decode_error
from barq.protocol import acts, calls, reads, retention, streams
from barq.protocol.call import Call, Space
from barq.protocol.calls import NewJob, lot_of
from barq.record import Described, Record, decode_run, member, number, record_head
from barq.states import State
from tests.model.driver import Driver, Kept
from tests.model.model import Claimed, Ended, Model, New, Said
from tests.support import Server

STEPS = int(os.environ.get("BARQ_MODEL_STEPS", "3000"))
STEPS_PER_EXAMPLE = 50
PROFILE = settings(
    max_examples=max(1, STEPS // STEPS_PER_EXAMPLE),
    stateful_step_count=STEPS_PER_EXAMPLE,
    derandomize=not os.environ.get("BARQ_MODEL_RANDOM"),
    database=None,
    deadline=None,
    print_blob=False,
    report_multiple_bugs=not os.environ.get("BARQ_MODEL_QUICK"),
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate] if os.environ.get("BARQ_MODEL_QUICK") else list(Phase),
)

TYPES = ("a", "b:waiting", "{c}")
WORKERS = ("w1", "w2", "w3")
INBOX = "me"
WATCH_MS = 10**9
PAGE = 3
START_MS = 1_700_000_000_000
LEASE_MS = 1000
POISON = 2
KEEP_COMPLETED, KEEP_FAILED = 4, 3

types = st.sampled_from(TYPES)
picks = st.integers(min_value=0, max_value=30)
"""Which of the jobs (or of the holders) there are, counted from the newest, round and round."""
new_jobs = st.builds(
    New,
    type=types,
    priority=st.sampled_from([0, 0, -10, 5]),
    due_ms=st.sampled_from([None, None, 500, 5000]),
    token=st.sampled_from([None, None, "t1", "t2", "t3"]),
    watch=st.sampled_from([False, False, True]),
)
REPEATED_LATE = (
    "enqueue",
    "settle",
    "report",
    "keep",
    "cancel",
    "retry",
    "promote",
    "remove",
    "pause",
    "resume",
    "edit",
)
kinds = st.sampled_from(["complete", "complete", "discard", "fail", "fail again", "release", "park"])
"""How an attempt ends; "fail again" is tried again in a while."""
ends = st.lists(st.tuples(picks, kinds), min_size=1, max_size=4)


class Scripts(RuleBasedStateMachine):
    """Every rule sends a call, and asks the model the same; every step is followed by a look at all that is kept."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        space = Space(
            f"model-{uuid.uuid4().hex[:12]}",
            completed=Retention(count=KEEP_COMPLETED),
            failed=Retention(count=KEEP_FAILED),
        )
        self.space = space
        self.driver = Driver(self.url, space, INBOX)
        self.model = Model(START_MS, keep_completed=KEEP_COMPLETED, keep_failed=KEEP_FAILED)
        self.handed: list[tuple[int, str, str]] = []  # (id, type, token) of every claim ever made
        self.types_of: dict[int, str] = {}
        self.looked_at = 0  # entries of the model that were compared
        self.letters_read = 0
        self.unanswered: dict[str, tuple[Call[Any], Any, Callable[[Any], Any]]] = {}
        self.numbers = itertools.count(1)

    def teardown(self) -> None:
        self.driver.close()

    # ---- what is sent, and what the model says to it

    def same(self, call: Call[Any], expected: Any, told: Callable[[Any], Any] = lambda answer: answer) -> None:
        assert told(self.driver.send(call)) == expected
        if next(self.numbers) % 3 == 0:
            self.repeated(call, expected, told)
        if call.script is not None and call.script.name in REPEATED_LATE:
            # the server remembers the last batch of each producer, and all acts
            name = call.args[3].decode() if call.script.name == "enqueue" else call.script.name
            self.unanswered[name] = (call, expected, told)

    def repeated(self, call: Call[Any], expected: Any, told: Callable[[Any], Any]) -> None:
        """The answer was lost: the call is sent again, and the model is not even asked."""
        assert call.script is not None
        answer = told(self.driver.send(call.again()))
        if told is _claimed:
            assert sorted(answer[0]) == sorted(expected[0])
        elif call.script.name == "prune":
            assert answer == 0
        elif call.script.name == "settle":
            assert expected or not answer  # a late discard of a job that is gone looks like one whose answer was lost
        elif call.script.name == "turn":
            pass  # besides, it may have claimed what it had released
        else:
            assert answer == expected

    @precondition(lambda self: self.unanswered)
    @rule(at=picks)
    def an_answer_lost_a_while_ago_is_asked_for_again(self, at: int) -> None:
        """Whatever has happened since, the call does nothing more."""
        name = sorted(self.unanswered)[at % len(self.unanswered)]
        call, expected, told = self.unanswered.pop(name)
        answer = told(self.driver.send(call.again()))
        if name not in ("settle", "report", "keep"):  # whose answer says how things stand now
            assert answer == expected

    @initialize(batch=st.lists(new_jobs, min_size=1, max_size=12))
    def begin(self, batch: list[New]) -> None:
        self.enqueue(batch)

    @rule(batch=st.lists(new_jobs, min_size=1, max_size=4), max_waiting=st.sampled_from([None, None, 1, 3, 6]))
    def enqueue(self, batch: list[New], max_waiting: int | None = None) -> None:
        call = calls.enqueue(
            replace(self.space, limits=limits(max_waiting, None)),
            [_encoded(new) for new in batch],
            now_ms=self.model.now,
            producer=b"p%d" % (next(self.numbers) % 2),
            batch=next(self.numbers),
            inbox=INBOX.encode(),
            watch_ms=WATCH_MS,
        )
        ids = self.model.enqueue(batch, max_waiting)
        for job_id, new in zip(ids, batch, strict=True):
            if job_id > 0:
                self.types_of.setdefault(job_id, new.type)
        self.same(call, ids)

    def hand_out(self, handed: Claimed) -> None:
        self.handed += [(job_id, self.types_of[job_id], token) for job_id, token in handed[0]]

    @rule(
        caps=st.dictionaries(types, st.integers(min_value=0, max_value=4), min_size=1),
        worker=st.sampled_from(WORKERS),
        most=st.integers(min_value=1, max_value=6),
        chores=st.sampled_from([True, True, False]),
    )
    def claim(self, caps: dict[str, int], worker: str, most: int, chores: bool) -> None:
        terms = self.terms(worker, most) | {"poison": POISON, "chores": chores}
        call = calls.claim(self.space, list(caps.items()), now_ms=self.model.now, **terms)
        handed = self.model.claim(caps, **terms)
        self.hand_out(handed)
        self.same(call, handed, _claimed)

    @rule(worker=st.sampled_from(WORKERS))
    def claim_all(self, worker: str) -> None:
        self.claim(dict.fromkeys(TYPES, 4), worker, 9, True)

    @rule(first=types, second=types, worker=st.sampled_from(WORKERS))
    def a_worker_waits_for_work(self, first: str, second: str, worker: str) -> None:
        """It takes one marker, and claims right behind."""
        if self.driver.unmark([first, second]):
            self.claim({first: 2, second: 2}, worker, 2, True)

    def terms(self, worker: str, most: int) -> dict[str, Any]:
        return {
            "worker": worker,
            "nonce": f"n{next(self.numbers)}",
            "lease_ms": LEASE_MS,
            "most": most,
        }

    def holders(self, chosen: list[int], *, late: bool) -> list[tuple[int, str, str]]:
        """Some that hold jobs, or (where nobody does) some of all that ever did; each job once."""
        holding = [one for one in self.handed if self.model.holder(one[0]) == one[2]]
        among = self.handed if late or not holding else holding
        found = {among[-1 - at % len(among)][0]: among[-1 - at % len(among)] for at in chosen} if among else {}
        return list(found.values())

    def endings(self, ends: list[tuple[int, str]], late: bool) -> list[Ended]:
        holders = self.holders([at for at, _ in ends], late=late)
        return [
            Ended(
                job_id,
                type_,
                token,
                kind.split()[0],
                {"fail again": "700", "park": "-"}.get(kind, ""),
                b'{"type":"E","message":"%d"}\ntrace' % next(self.numbers),
            )
            for (job_id, type_, token), (_, kind) in zip(holders, ends, strict=False)
        ]

    @precondition(lambda self: self.handed)
    @rule(ends=ends, late=st.sampled_from([False, False, True]), prunes=st.booleans())
    def settle(self, ends: list[tuple[int, str]], late: bool, prunes: bool) -> None:
        endings = self.endings(ends, late)
        if endings:
            call = calls.settle(self.space, map(_settlement, endings), now_ms=self.model.now, prunes=prunes)
            stale = self.model.settle(endings, prunes=prunes)
            self.same(call, stale, _ids)

    @precondition(lambda self: self.handed)
    @rule(ends=ends, late=st.sampled_from([False, False, True]), most=st.integers(min_value=1, max_value=4))
    def turn(self, ends: list[tuple[int, str]], late: bool, most: int) -> None:
        endings, caps, terms = self.endings(ends, late), dict.fromkeys(TYPES, 2), self.terms("w1", most)
        call = calls.turn(
            self.space,
            map(_settlement, endings),
            list(caps.items()),
            now_ms=self.model.now,
            **terms,
        )
        stale, handed = self.model.turn(endings, caps, **terms)
        self.hand_out(handed)
        self.same(call, (stale, handed), lambda answer: (_ids(answer[0]), _claimed(answer[1])))

    @precondition(lambda self: self.handed)
    @rule(chosen=st.lists(picks, min_size=1, max_size=4), late=st.booleans())
    def extend(self, chosen: list[int], late: bool) -> None:
        holders = self.holders(chosen, late=late)
        if holders:
            call = calls.extend(
                self.space,
                [(type_.encode(), member(job_id), token.encode()) for job_id, type_, token in holders],
                now_ms=self.model.now,
                lease_ms=LEASE_MS,
            )
            lost = self.model.extend([(job_id, token) for job_id, _, token in holders], LEASE_MS)
            self.same(call, lost, _ids)

    @precondition(lambda self: self.handed)
    @rule(
        said=st.lists(st.tuples(picks, st.sampled_from(["log", "progress"])), min_size=1, max_size=4),
        late=st.sampled_from([False, False, True]),
    )
    def report(self, said: list[tuple[int, str]], late: bool) -> None:
        holders = self.holders([at for at, _ in said], late=late)
        if not holders:
            return
        words = [
            Said(*(holders[at % len(holders)][0::2]), kind, b"%d " % next(self.numbers))
            for at, (_, kind) in enumerate(said)
        ]
        call = calls.report(
            self.space,
            [
                (self.types_of[one.id].encode(), member(one.id), one.token.encode(), one.kind.encode(), one.body)
                for one in words
            ],
            now_ms=self.model.now,
        )
        self.same(call, self.model.report(words), _ids)

    @precondition(lambda self: self.handed)
    @rule(at=picks, late=st.sampled_from([False, False, True]), name=st.sampled_from(["charge", "mail"]))
    def keep(self, at: int, late: bool, name: str) -> None:
        """A step is looked up, and its result kept: the first one stays, and a stale holder keeps nothing."""
        holders = self.holders([at], late=late)
        for job_id, _, token in holders:
            id, body = member(job_id), b"%d" % next(self.numbers)
            self.same(calls.recall(self.space, id, token.encode(), name), self.model.recall(job_id, token, name))
            call = calls.keep(self.space, id, token.encode(), name, body, now_ms=self.model.now)
            self.same(call, self.model.keep(job_id, token, name, body))

    @rule(
        verb=st.sampled_from(["cancel", "retry", "promote", "remove"]), chosen=st.lists(picks, min_size=1, max_size=3)
    )
    def act(self, verb: str, chosen: list[int]) -> None:
        there = [*sorted(self.model.jobs, reverse=True), 1, 10**9]
        ids = [there[at % len(there)] for at in chosen]
        self.same(acts.act(self.space, verb, ids, now_ms=self.model.now), self.model.act(verb, ids))

    @rule(
        at=picks,
        priority=st.sampled_from([None, -20, 0, 5]),
        has_data=st.booleans(),
        retry=st.sampled_from([False, False, True]),
        waits=st.booleans(),
    )
    def edit(self, at: int, priority: int | None, has_data: bool, retry: bool, waits: bool) -> None:
        there = [*sorted(self.model.jobs, reverse=True), 10**9]
        if waits:  # whose place in the line changes with the priority
            there = [job_id for type_ in TYPES for job_id in self.model.line(type_, State.WAITING)] or there
        job_id, data = there[at % len(there)], b"\t%d\n" % next(self.numbers) if has_data else None
        now_ms = self.model.now
        call = acts.edit(self.space, job_id, now_ms=now_ms, by="ada", priority=priority, data=data, retry=retry)
        self.same(call, self.model.edit(job_id, priority, data, retry=retry))

    @rule(
        verb=st.sampled_from(["pause", "pause a while", "resume", "resume all", "prune"]),
        type=st.sampled_from(("", *TYPES)),
    )
    def operate(self, verb: str, type: str) -> None:
        now_ms = self.model.now
        match verb:
            case "pause" | "pause a while":
                lasts_ms = None if verb == "pause" else 700
                call = acts.pause(self.space, type, now_ms=now_ms, by="ada", reason="", lasts_ms=lasts_ms)
                self.same(call, self.model.pause(type, lasts_ms))
            case "resume":
                self.same(acts.resume(self.space, type, now_ms=now_ms), self.model.resume(type))
            case "resume all":
                for paused in sorted(self.model.pauses):
                    self.operate("resume", paused)
            case "prune":
                self.same(retention.prune(self.space, type, now_ms=now_ms), self.model.prune(type))

    @rule(chosen=st.lists(picks, min_size=1, max_size=3))
    def watch(self, chosen: list[int]) -> None:
        there = [*sorted(self.model.jobs, reverse=True), 10**9]
        ids = list(dict.fromkeys(there[at % len(there)] for at in chosen))
        call = streams.watch(self.space, ids, now_ms=self.model.now, inbox=INBOX, watch_ms=WATCH_MS)
        self.same(call, self.model.watch(ids), _states)

    @rule(worker=st.sampled_from(WORKERS), lives_ms=st.sampled_from([0, 600, 5000]))
    def beat(self, worker: str, lives_ms: int) -> None:
        call = calls.beat(self.space, worker, b"{}", now_ms=self.model.now, lives_ms=lives_ms)
        self.same(call, self.model.beat(worker, lives_ms))
        self.same(reads.workers(self.space, now_ms=self.model.now), self.model.workers(), set)

    @rule(type=types, state=st.sampled_from(list(State)), newest_first=st.booleans())
    def read(self, type: str, state: State, newest_first: bool) -> None:
        """Page by page a line is told whole, and each of its jobs by its id as well."""
        found: list[tuple[float, int]] = []
        more = True
        while more:
            after = found[-1] if found else None
            page = self.driver.send(
                reads.page(self.space, type, state, newest_first=newest_first, after=after, most=PAGE)
            )
            found += [(job.status.score, job.id) for job in page.jobs]
            more = page.more
        ids = [job_id for _, job_id in found]
        line = self.model.line(type, state)
        assert ids == (line[::-1] if newest_first else line)
        assert _states(self.driver.send(reads.fetch(self.space, ids))) == dict.fromkeys(ids, state)

    @rule(ms=st.sampled_from([1, 250, 499, 500, LEASE_MS, LEASE_MS + 1, 4000]))
    def time_passes(self, ms: int) -> None:
        self.model.time_passes(ms, TYPES)

    @rule(worker=st.sampled_from(WORKERS))
    def what_is_due_is_due_to_the_millisecond(self, worker: str) -> None:
        """Nothing is promoted or rescued a moment before its time, and all is at it."""
        due_in_ms = self.model.next_due(dict.fromkeys(TYPES, 0))
        if due_in_ms:
            self.model.time_passes(due_in_ms - 1, TYPES)
            self.claim(dict.fromkeys(TYPES, 0), worker, 1, True)
            self.model.time_passes(1, TYPES)
            self.claim(dict.fromkeys(TYPES, 0), worker, 1, True)

    @rule()
    def leases_run_out(self) -> None:
        """Workers die, and others find their jobs."""
        self.model.time_passes(LEASE_MS + 1, TYPES)
        self.claim(dict.fromkeys(TYPES, 2), "w1", 6, True)

    # ---- what is kept and told

    @invariant()
    def both_keep_and_tell_the_same(self) -> None:
        kept = self.driver.kept(TYPES)
        self.lines_are_the_same(kept)
        self.jobs_are_the_same(kept)
        self.events_are_the_same(kept)
        self.watchers_are_told_the_same(kept)
        self.no_wake_up_is_lost(kept)

    def lines_are_the_same(self, kept: Kept) -> None:
        for (type_, state), line in kept.lines.items():
            expected = [(job_id, self.model.jobs[job_id].score) for job_id in self.model.line(type_, state)]
            assert line == expected, (type_, state)
            assert kept.counts[type_, state] == len(line), (type_, state)

    def jobs_are_the_same(self, kept: Kept) -> None:
        jobs = self.model.jobs
        assert kept.jobs.keys() == jobs.keys()
        for job_id, text in kept.jobs.items():
            record = Record(text)
            assert (record.priority, record.payload) == (jobs[job_id].priority, jobs[job_id].data)
        assert kept.past == {job.id for job in jobs.values() if job.past}
        for job_id in kept.past:
            for one, (ended_ms, run, body) in zip(self.driver.past(job_id), jobs[job_id].past[-5:], strict=True):
                assert (one.ended_ms, one.run) == (ended_ms, decode_run(run.encode()))
                assert (one.body if isinstance(body, bytes) else decode_error(one.body).type) == body
        running = {job_id: text for job_id, text in kept.run.items() if text != "0 0 0"}
        ended = (State.COMPLETED, State.FAILED, State.CANCELLED)
        assert running == {
            job.id: job.token or job.counts
            for job in jobs.values()
            if job.state not in ended and (job.token or job.counts != "0 0 0")
        }
        assert kept.note == {job.id: job.note for job in jobs.values() if job.note is not None}
        assert kept.logs == {job.id: job.log for job in jobs.values() if job.log}
        assert kept.steps == {job.id: job.steps for job in jobs.values() if job.steps}
        assert kept.end.keys() == {job.id for job in jobs.values() if job.ended}
        for job_id, text in kept.end.items():
            head, _, body = text.partition(b"\n")
            ended_ms, _, run = head.decode().partition(" ")
            expected = jobs[job_id].ended
            assert expected is not None
            assert (int(ended_ms), run) == expected[:2]
            assert (body if isinstance(expected[2], bytes) else decode_error(body).type) == expected[2]

    def events_are_the_same(self, kept: Kept) -> None:
        """Entry by entry, and job by job within each; the order of jobs within an entry is free."""
        told: dict[int, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
        for one in kept.events:
            told[int(one.position.split(b"-")[0])][one.id].append(one.event)
            assert one.type == self.types_of[one.id]
        expected: dict[int, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
        for at, entry in enumerate(self.model.entries[self.looked_at :], self.looked_at + 1):
            for event, job_id in entry:
                expected[at][job_id].append(event)
        self.looked_at = len(self.model.entries)
        assert told == expected

    def watchers_are_told_the_same(self, kept: Kept) -> None:
        told, expected = defaultdict(list), defaultdict(list)
        for one in kept.letters:
            told[one.id].append(one.event)
        for event, job_id in itertools.chain(*self.model.letters[self.letters_read :]):
            expected[job_id].append(event)
        self.letters_read = len(self.model.letters)
        assert told == expected
        assert kept.watched == self.model.watched

    def no_wake_up_is_lost(self, kept: Kept) -> None:
        """Where something can be claimed there is a marker, by which a worker that waits would learn of it."""
        waiting = {type_ for type_ in TYPES if self.model.line(type_, State.WAITING)}
        claimable = {type_ for type_ in waiting - self.model.lapsed if not self.model.is_paused(type_)}
        assert kept.marked >= claimable


def _encoded(new: New) -> NewJob:
    record = record_head(priority=new.priority, type=new.type, options=b"") + b"{}"
    due = b"" if new.due_ms is None else b"+%d" % new.due_ms
    return lot_of(new.type.encode(), b"%d" % new.priority, due, token=new.token, watch=new.watch), record


def _settlement(one: Ended) -> calls.Settlement:
    return one.type.encode(), member(one.id), one.token.encode(), one.kind.encode(), one.retry_ms.encode(), one.body


def _claimed(claim: calls.Claim) -> Claimed:
    jobs = [(number(id_), token.decode()) for _, token, jobs in claim.handed for id_, _ in jobs]
    return jobs, claim.due_in_ms


def _states(jobs: list[Described]) -> dict[int, State]:
    return {job.id: job.status.state for job in jobs}


def _ids(members: list[bytes]) -> list[int]:
    return [number(one) for one in members]


@pytest.mark.timeout(600 + STEPS // 20)  # what fails is made small first, which takes minutes
def test_scripts_and_model_keep_and_tell_the_same(tmp_path: Path) -> None:
    server = Server(tmp_path, "--appendonly", "no").start()  # writing each step to the disk takes longer than the steps
    try:
        machine = type("Scripts", (Scripts,), {"url": server.url})
        run_state_machine_as_test(machine, settings=PROFILE)
    finally:
        server.stop()
