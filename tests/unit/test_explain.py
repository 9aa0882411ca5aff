"""Explain: each reason why a job does not run, in words, worked out without a server."""

from typing import Any

import pytest

from barq.explain import explained
from barq.protocol.reads import Situation
from barq.record import Described, Ending, Record, Run, Status
from barq.states import State
from barq.workers import WorkerInfo

NOW = 1_700_000_000_000
HELD = Run(2, 1, 0, "w1", NOW - 90_000)


def situation(
    state: State, *, score: float = 0, run: Run | None = None, ending: Ending | None = None, **known: Any
) -> Situation:
    status = Status(state, score, run or Run(), ending, None)
    job = Described(7, Record(b"%d\t0\temail\t\n" % (NOW - 1000)), status)
    told: dict[str, Any] = {"before": -1, "type_paused": None, "queue_paused": None, "active": 0, **known}
    return Situation(now_ms=NOW, job=job, **told)


def worker(id: str = "w1", *, types: tuple[str, ...] = ("email",), **more: Any) -> WorkerInfo:
    return WorkerInfo(id=id, host="box", pid=9, concurrency=2, types=list(types), **more)


def told(one: Situation, *alive: WorkerInfo) -> list[tuple[str, str]]:
    return [(reason.code, reason.text) for reason in explained(one, alive).reasons]


def codes(one: Situation, *alive: WorkerInfo) -> list[str]:
    return [code for code, _ in told(one, *alive)]


def test_a_waiting_job_has_a_place_in_its_line() -> None:
    assert told(situation(State.WAITING, before=0), worker()) == [("next", "it is the next of its type")]
    assert told(situation(State.WAITING, before=1), worker())[0][1] == "1 job of its type runs before it"
    assert told(situation(State.WAITING, before=12), worker())[0][1] == "12 jobs of its type run before it"


def test_pauses_come_first_and_say_by_whom_and_until_when() -> None:
    pause = {"by": "ann", "reason": "deploy", "at": NOW - 7_200_000, "until": NOW + 600_000}
    (queue, type_, _) = told(situation(State.WAITING, before=0, type_paused=pause, queue_paused={"at": NOW}), worker())
    assert queue == ("queue-paused", "the queue is paused since 2023-11-14 22:13:20 UTC (less than a second ago)")
    assert type_ == (
        "type-paused",
        "type email is paused by ann since 2023-11-14 20:13:20 UTC (2 h ago) until 2023-11-14 22:23:20 UTC (in 10 min): deploy",
    )


@pytest.mark.parametrize(
    ("alive", "words"),
    [
        ([], "no worker lives"),
        ([worker(types=("push",)), worker("w2", types=("push",))], "of 2 workers that live"),
        ([worker(draining=True)], "the 1 worker for type email claim nothing more"),
        ([worker(stopping=True), worker("w2", draining=True)], "the 2 workers for type email claim nothing more"),
    ],
)
def test_nobody_takes_it(alive: list[WorkerInfo], words: str) -> None:
    (code, text), _ = told(situation(State.WAITING, before=0), *alive)
    assert code == "no-worker"
    assert words in text


def test_limits_count_over_all_workers() -> None:
    two = [worker(limits={"email": 1}), worker("w2", limits={"email": 2})]
    assert codes(situation(State.WAITING, before=0, active=3), *two) == ["limit-reached", "next"]
    assert codes(situation(State.WAITING, before=0, active=2), *two) == ["next"]
    assert codes(situation(State.WAITING, before=0, active=9), *two, worker("w3")) == ["next"]


def test_all_slots_may_be_taken_by_other_types() -> None:
    full = worker(types=("email", "push"), running=2)
    assert codes(situation(State.WAITING, before=0), full) == ["slots-taken", "next"]
    assert codes(situation(State.WAITING, before=0), full, worker("w2", running=1)) == ["next"]


def test_a_delayed_job_says_when_it_is_due() -> None:
    later = situation(State.DELAYED, score=NOW + 3_600_000, run=Run(2, 2, 0))
    assert told(later, worker()) == [
        ("due-later", "it is due 2023-11-14 23:13:20 UTC (in 1 h), after 2 failed attempts")
    ]
    assert codes(situation(State.DELAYED, score=NOW - 5000)) == ["due", "no-worker"]


def test_a_running_job_says_who_holds_it() -> None:
    ((code, text),) = told(situation(State.ACTIVE, score=NOW + 20_000, run=HELD), worker())
    assert code == "leased"
    assert text.startswith("it runs: worker w1 (box, process 9) holds it since 2023-11-14 22:11:50 UTC (2 min ago)")
    ((_, text),) = told(situation(State.ACTIVE, score=NOW + 20_000, run=HELD))
    assert "says nothing any more" in text
    ((code, text),) = told(situation(State.ACTIVE, score=NOW - 1, run=HELD))
    assert code == "lease-over"
    assert "the next claim of its type puts it back" in text


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.COMPLETED, "it has completed at 2023-11-14 22:13:19 UTC"),
        (State.CANCELLED, "it was cancelled at 2023-11-14 22:13:19 UTC"),
        (State.FAILED, "it failed for good at 2023-11-14 22:13:19 UTC, in run 2: ValueError: no way"),
        (State.BLOCKED, "it was parked at 2023-11-14 22:13:19 UTC, as its data does not fit: no way"),
    ],
)
def test_an_ended_job_says_how(state: State, words: str) -> None:
    ending = Ending(NOW - 1000, HELD, b'{"type":"ValueError","message":"no way"}\n')
    ((code, text),) = told(situation(state, ending=ending))
    assert code == ("parked" if state is State.BLOCKED else "ended")
    assert text.startswith(words)
