"""Invariants: what must hold of a queue, each a function that reads a story and says where it was broken.

The numbers are those of docs/reliability.md.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Final

from barq.record import number
from barq.states import FINISHED, State
from tests.faults.causes import SLACK_MS, losses, stopping
from tests.faults.records import Claimed, Ended, Started
from tests.faults.story import Run, Story

INVARIANTS: Final = {
    1: "every acknowledged job reaches exactly one terminal state",
    2: "nothing runs that was not enqueued, with that payload",
    3: "one accepted completion per job, from the highest attempt handed out",
    4: "a second run only after a cause on record, and an (id, attempt) never twice",
    5: "who has lost a job learns it within a heartbeat, and nothing it says then counts",
    6: "extra runs per kill are at most the slots of that process",
    7: "a call that is repeated changes nothing, and gets the same answer",
    8: "each job is in exactly one place, and the counts are what the lines hold",
    9: "first in, first out within a priority, smaller priorities first",
    10: "delayed jobs are never early, and at most a second late",
    11: "limits are never exceeded",
    12: "a job that kills its workers fails after the limit of rescues, and only such a job",
    13: "faults off, everything finishes, and nothing leaks",
    14: "everybody who waits gets an answer or a typed error",
    15: "SIGTERM: nothing new is started, and the end comes within the grace time",
    16: "no script holds the server for long",
    17: "a step whose result is kept never runs again, and its effect is there once",
}

Check = Callable[[Story], Iterator[str]]
CHECKS: Final[dict[int, list[Check]]] = {number: [] for number in INVARIANTS}
_ENDINGS: Final = {"complete": "complete", "discard": "complete", "fail": "failed", "release": "requeue"}


def invariant(number: int) -> Callable[[Check], Check]:
    def add(check: Check) -> Check:
        CHECKS[number].append(check)
        return check

    return add


# ---- what happens to jobs


@invariant(1)
def nothing_is_lost(story: Story) -> Iterator[str]:
    lives = story.replayed.lives
    for acked in story.acked:
        life = lives.get(acked.id)
        if life is None:
            yield f"job {acked.id} ({acked.key}) was acknowledged and is nowhere"
        elif not life.endings:
            yield f"job {acked.id} ({acked.key}) was acknowledged and is {life.state} in the end"
    for job_id, life in lives.items():
        if len(life.endings) > 1:
            yield f"job {job_id} ended {len(life.endings)} times: {life.endings}"


@invariant(2)
def nothing_is_unexpected(story: Story) -> Iterator[str]:
    for (job_id, _), starts in story.starts.items():
        for _, start in starts:
            asked = story.asked.get(start.key)
            if asked is None:
                yield f"job {job_id} ran with the data of {start.key!r}, which nobody asked for"
            elif (asked.hash, asked.type) != (start.hash, start.type):
                yield f"job {job_id} ({start.key}) ran as {start.type} {start.hash}, asked was {asked.type} {asked.hash}"
            elif story.key_of[job_id] != start.key:
                yield f"job {job_id} is {story.key_of[job_id]} and ran as {start.key}"
    for job_id, hash_ in story.kept.hashes.items():
        asked = story.asked.get(story.kept.keys_of_jobs.get(job_id, ""))
        if asked is None or asked.hash != hash_:
            yield f"job {job_id} is kept with data that nobody asked for"


@invariant(2)
def nothing_is_stored_twice(story: Story) -> Iterator[str]:
    ids: dict[str, set[int]] = {}
    for job_id, key in [*story.key_of.items(), *story.kept.keys_of_jobs.items()]:
        ids.setdefault(key, set()).add(job_id)
    for acked in story.acked:
        ids.setdefault(acked.key, set()).add(acked.id)
    for key, found in ids.items():
        if len(found) > 1:
            yield f"{key} was asked for once and is there as {sorted(found)}"
    for job_id, count in Counter(acked.id for acked in story.acked).items():
        if count > 1:
            yield f"id {job_id} was acknowledged {count} times"


@invariant(3)
def completions_are_of_the_last_attempt(story: Story) -> Iterator[str]:
    for job_id, text in story.kept.end.items():
        life = story.replayed.lives.get(job_id)
        attempt = int(text.split()[1])
        if life is not None and attempt != len(life.attempts):
            yield f"job {job_id} was ended by attempt {attempt} of {len(life.attempts)}"


@invariant(3)
def a_settle_that_counts_is_what_ended_the_attempt(story: Story) -> Iterator[str]:
    for (job_id, attempt), settles in story.settles.items():
        event = _ended_by(story, (job_id, attempt))
        for process, _, kind, counts in settles:
            if counts and event != _ENDINGS[kind] and (kind, event) != ("fail", "failed attempt"):
                if kind == "discard":
                    continue  # of a job that is forgotten nobody knows any more who ended it
                yield (
                    f"{process.born.worker} was told that its {kind} of job {job_id} attempt {attempt} counts, "
                    f"but that attempt ended by {event!r}"
                )


def _ended_by(story: Story, run: Run) -> str:
    life = story.replayed.lives.get(run[0])
    return life.attempts[run[1] - 1].ended_by if life and run[1] <= len(life.attempts) else ""


# ---- runs


@invariant(4)
def no_attempt_runs_twice(story: Story) -> Iterator[str]:
    for (job_id, attempt), starts in story.starts.items():
        if len(starts) > 1:
            workers = [process.born.worker for process, _ in starts]
            yield f"job {job_id} attempt {attempt} ran {len(starts)} times: {workers}"


@invariant(4)
def every_rescue_has_a_cause(story: Story) -> Iterator[str]:
    for loss in losses(story):
        run = f"job {loss.run[0]} attempt {loss.run[1]}"
        held_ms = loss.ended_ms - loss.started_ms
        if not loss.cause and loss.start is None:
            yield f"{run} was claimed and nobody ran it, without a fault"
        elif not loss.cause and loss.start is not None:
            process, record = loss.start
            yield (
                f"{run}: {process.born.worker} in {process.born.slot} lost it at {loss.ended_ms}, {held_ms} ms after the "
                f"claim and {loss.ended_ms - record.at // 1000} ms after it began, without a fault that could cost a lease"
            )
        if held_ms <= story.terms.lease_ms and not stopping(story, loss.ended_ms):
            yield f"{run} was taken away {held_ms} ms after its claim"


@invariant(5)
def the_late_are_told(story: Story) -> Iterator[str]:
    """A heartbeat leaves out what began within half a beat, so it takes one and a half at most."""
    for process in story.processes:
        running: dict[Run, int] = {}
        ended: dict[Run, int] = {}
        for record in process.records:
            if isinstance(record, Started) and record.type != "plain":
                running[record.id, record.attempt] = record.at
            elif isinstance(record, Ended):
                ended[record.id, record.attempt] = record.at
        for run in running:
            life = story.replayed.lives.get(run[0])
            if life is None or run[1] > len(life.attempts):
                continue
            attempt = life.attempts[run[1] - 1]
            if attempt.ended_by in ("requeue", "cancel"):
                lost_at = max(attempt.ended_ms * 1000, running[run])
                until = ended.get(run, process.died_at or 2**62)
                silent = story.silences.of(process, lost_at, until, beats=True)
                blocked = story.silences.of(process, lost_at, until, beats=False)
                if until - lost_at - max(silent, blocked) > (1.5 * story.terms.beat_ms + 2 * SLACK_MS) * 1000:
                    yield (
                        f"{process.born.worker} ran job {run[0]} attempt {run[1]} for {(until - lost_at) / 1e6:.1f} s after it "
                        "lost it"
                    )


@invariant(6)
def a_kill_costs_no_more_than_its_slots(story: Story) -> Iterator[str]:
    extra: Counter[int] = Counter()
    for (job_id, attempt), starts in story.starts.items():
        process = starts[0][0]
        if process.died_at is not None and _ended_by(story, (job_id, attempt)) == "requeue":
            lost_at = story.replayed.lives[job_id].attempts[attempt - 1].ended_ms * 1000
            extra[process.born.pid] += lost_at >= process.died_at
    for process in story.processes:
        if extra[process.born.pid] > process.born.limits.get("", 0):
            yield f"the end of {process.born.worker} made {extra[process.born.pid]} jobs run again"


@invariant(7)
def nobody_is_refused_what_it_did(story: Story) -> Iterator[str]:
    for (job_id, attempt), settles in story.settles.items():
        event = _ended_by(story, (job_id, attempt))
        answers = {counts for _, _, _, counts in settles}
        for _, _, kind, counts in settles:
            by_itself = kind in ("complete", "fail") and event in (_ENDINGS[kind], "failed attempt")
            if not counts and by_itself and not _cannot_be_told(story, (job_id, attempt)):
                yield f"the {kind} of job {job_id} attempt {attempt} ended it, and was answered as stale"
        if len(answers) > 1:
            yield f"job {job_id} attempt {attempt} was settled with two answers"


def _cannot_be_told(story: Story, run: Run) -> bool:
    """Counts alone do not say whether this attempt has failed and a later one was rescued, or the other way round; and a
    last rescue fails the job as its holder may."""
    attempts = story.replayed.lives[run[0]].attempts
    rescued_later = any(attempt.ended_by == "requeue" for attempt in attempts[run[1] :])
    return rescued_later or attempts[run[1] - 1].ended_by == "failed"


@invariant(7)
def no_claim_is_used_twice(story: Story) -> Iterator[str]:
    seen: dict[tuple[str, str], int] = {}
    for process in story.processes:
        for record in process.records:
            if isinstance(record, Claimed):
                for nonce in {nonce for _, _, nonce in record.jobs}:
                    first = seen.setdefault((process.born.worker, nonce), record.at)
                    if first != record.at:
                        yield f"two claims of {process.born.worker} have the nonce {nonce}"


# ---- the server's books


@invariant(8)
def all_is_where_it_belongs(story: Story) -> Iterator[str]:
    kept, lives = story.kept, story.replayed.lives
    yield from story.replayed.illegal
    yield from story.replayed.holes
    for job_id, places in kept.places.items():
        if len(places) > 1:
            yield f"job {job_id} is in {len(places)} places: {places}"
        life = lives.get(job_id)
        if life is None or (life.type, life.state) != places[0][:2]:
            yield f"job {job_id} is in {places[0][:2]}, by the events it is {life and (life.type, life.state)}"
    for job_id, life in lives.items():
        if life.state is not None and job_id not in kept.places:
            yield f"job {job_id} is nowhere, by the events it is {life.state}"
    if kept.keys_of_jobs.keys() != kept.places.keys():
        yield f"{len(kept.keys_of_jobs)} records, {len(kept.places)} jobs in lines"


@invariant(8)
def attempts_are_counted(story: Story) -> Iterator[str]:
    """The counts in the last token are those of the events."""
    for job_id, text in story.kept.end.items():
        life = story.replayed.lives.get(job_id)
        words = text.split()
        if life is None or len(words) != 7:
            continue  # it ended without a holder
        failures, rescues = int(words[5]), int(words[6])
        if failures != life.failures:
            yield f"job {job_id} counts {failures} failures, the events {life.failures}"
        if rescues > life.requeues:
            yield f"job {job_id} counts {rescues} rescues, the events {life.requeues} requeues"


@invariant(9)
def order_is_kept(story: Story) -> Iterator[str]:
    yield from story.replayed.inversions


@invariant(10)
def delays_are_kept(story: Story) -> Iterator[str]:
    yield from story.replayed.early
    for job_id, due_ms, at_ms in story.replayed.late:
        begin, end = (due_ms - story.terms.lease_ms) * 1000, at_ms * 1000
        if not any(struck.at < end and struck.until > begin for struck in story.struck):
            yield f"job {job_id} was due at {due_ms} and promoted {at_ms - due_ms} ms later, without a fault"


@invariant(11)
def limits_hold(story: Story) -> Iterator[str]:
    for process in story.processes:
        if not process.born.limits:
            continue
        running: Counter[str] = Counter()
        types: dict[Run, str] = {}
        for record in process.records:
            if isinstance(record, Started):
                types[record.id, record.attempt] = record.type
                for name in ("", record.type):
                    running[name] += 1
                    if running[name] > process.born.limits.get(name, 2**31):
                        yield f"{process.born.worker} ran {running[name]} jobs of {name or 'all types'} at a time"
            elif isinstance(record, Ended) and (type_ := types.pop((record.id, record.attempt), None)) is not None:
                running[""] -= 1
                running[type_] -= 1


@invariant(12)
def poison_is_stopped(story: Story) -> Iterator[str]:
    poison = story.terms.poison
    for job_id, life in story.replayed.lives.items():
        runs = [number for number in range(1, len(life.attempts) + 1) if (job_id, number) in story.starts]
        if life.type == "deadly" and life.endings != ["failed"]:
            yield f"job {job_id} kills its workers, and its endings are {life.endings}"
        if life.type == "deadly" and len(runs) > poison + 1:
            yield f"job {job_id} killed {len(runs)} workers"
        if life.requeues > poison and not _released_often(story, job_id, life.requeues - poison):
            yield f"job {job_id} was put back {life.requeues} times"


def _released_often(story: Story, job_id: int, times: int) -> bool:
    life = story.replayed.lives[job_id]
    return times <= sum(stopping(story, attempt.ended_ms) for attempt in life.attempts if attempt.ended_by == "requeue")


@invariant(13)
def nothing_leaks(story: Story) -> Iterator[str]:
    kept = story.kept
    for (type_, state), count in kept.counts.items():
        if count and state not in FINISHED:
            yield f"{count} jobs of {type_} are {state} in the end"
    for job_id, text in kept.run.items():
        yield f"job {job_id} still has the run {text!r}"
    for job_id in kept.past - kept.places.keys():
        yield f"job {job_id} is gone, but how its attempts ended is still there"
    for type_, (completed, *_) in kept.counted.items():
        happened = sum(
            life.endings.count("complete") for life in story.replayed.lives.values() if type_ in ("", life.type)
        )
        if completed > happened:
            yield f"workers counted {completed} completed jobs of {type_ or 'all types'}, but {happened} were"
    for key in kept.keys:
        if key.startswith("step:") and number(key[5:].encode()) not in kept.places:
            yield f"the job of {key} is gone, but its steps are still there"
    if kept.watched:
        yield f"{kept.watched} jobs are still watched"
    for key, lives_ms in kept.keys.items():
        if lives_ms < 0 and not _belongs(key):
            yield f"the key {key} lives for ever"
    for client in kept.clients:
        yield f"still connected: {client}"


_OF_QUEUES: Final = {
    *("seq", "job", "run", "end", "note", "past", "types", "workers", "workers:until", "events", "eventseq", "ever"),
    *("find", "terms"),
}


def _belongs(key: str) -> bool:
    return key in _OF_QUEUES or key.startswith(("log:", "step:")) or key.rpartition(":")[2] in (*State, "wake")


@invariant(14)
def waiters_are_answered(story: Story) -> Iterator[str]:
    for waited in story.waits:
        life = story.replayed.lives.get(waited.id)
        ending = life.endings[0] if life and life.endings else ""
        asked = story.asked.get(story.key_of.get(waited.id, ""))
        if waited.answer == "complete" and (ending != "complete" or not asked or waited.hash != asked.hash):
            yield f"who waited for job {waited.id} got {waited.hash!r}, it ended by {ending!r}"
        elif waited.answer == "JobFailed" and ending != "failed":
            yield f"who waited for job {waited.id} heard that it failed, it ended by {ending!r}"
        elif waited.answer not in ("complete", "JobFailed", "ServerUnreachable"):
            yield f"who waited for job {waited.id} got {waited.answer} after {(waited.at - waited.since) / 1e6:.1f} s"


@invariant(14)
def a_cancelled_job_stays_cancelled(story: Story) -> Iterator[str]:
    for cancel in story.cancels:
        life = story.replayed.lives.get(cancel.id)
        if cancel.answer == "" and (life is None or life.endings != ["cancel"]):
            yield f"job {cancel.id} was cancelled and ended by {life and life.endings}"
        if cancel.answer not in ("", "WrongState", "JobNotFound", "ServerUnreachable"):
            yield f"the cancel of job {cancel.id} was answered with {cancel.answer}"


@invariant(15)
def a_stop_starts_nothing(story: Story) -> Iterator[str]:
    by_pid = {process.born.pid: process for process in story.processes}
    for struck in story.struck:
        process = by_pid.get(struck.pid)
        if struck.fault != "stop" or process is None:
            continue
        for record in process.records:
            if isinstance(record, Started) and record.at > struck.at + 1_500_000:
                yield f"{process.born.worker} started job {record.id} {(record.at - struck.at) / 1e6:.1f} s after SIGTERM"


SLOW_MICROSECONDS: Final = 250_000
MOST_SLOW: Final = 3
"""Other processes may take the core in the middle of a script: these are bounds for accidents, no measurement."""


@invariant(16)
def scripts_are_short(story: Story) -> Iterator[str]:
    pauses = [struck for struck in story.struck if struck.fault == "server-pause"]
    slow = []
    for second, microseconds, command in story.kept.slow:
        begin, end = (second - 1) * 1_000_000, (second + 2) * 1_000_000 + microseconds
        paused = any(pause.at < end and pause.until > begin for pause in pauses)
        if microseconds > SLOW_MICROSECONDS and command != "eval" and not paused:  # eval: the harness's own
            slow.append(f"{microseconds / 1000:.0f} ms: {command}")
    if len(slow) > MOST_SLOW:
        yield from slow


@invariant(17)
def steps_run_once(story: Story) -> Iterator[str]:
    """Until a result is kept a worker may die behind the effect: the key, which stays the same, makes that harmless. So it
    does for an attempt that was frozen between its look at what is kept and its call, until another had the job."""
    for job_id, told in story.steps.items():
        kept = min((step for step in told if step.kept), key=attrgetter("at"), default=None)
        if kept is None:
            life = story.replayed.lives.get(job_id)
            if life is not None and life.endings == ["complete"]:
                yield f"job {job_id} completed, and its step was never kept"
            continue
        for step in told:
            if not step.kept and step.at > kept.at and step.attempt >= kept.attempt:
                late_ms = (step.at - kept.at) / 1000
                yield f"the step of job {job_id} was called in attempt {step.attempt}, {late_ms:.0f} ms after it was kept"
        if story.effects[job_id] != 1:
            yield f"the step of job {job_id} is kept, and its effect is there {story.effects[job_id]} times"
    for job_id, told in story.steps.items():
        if len(keys := {step.key for step in told}) > 1:
            yield f"the step of job {job_id} had several keys: {sorted(keys)}"
    for job_id, times in story.effects.items():
        if times > 1:
            yield f"the effect of job {job_id} is there {times} times"
