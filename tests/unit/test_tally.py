"""Tally: what a worker counts, without a server."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from barq.outcome import Failure, Release, Success
from barq.record import Record, member, ready_ms, record_head
from barq.sums import RUNNING, WAITING, Sums
from barq.worker.attempt import Attempt
from barq.worker.tally import MOST_TYPES, Tally

TOKEN = b"1 nonce w1 5000 0 0"
LANE: Any = SimpleNamespace(type="email", name=b"email")


def record(created_ms: int, options: bytes = b"") -> bytes:
    return b"%d\t" % created_ms + record_head(priority=0, type="email", options=options) + b'{"a":\n"\t"}'


def claimed(tally: Tally, *created_ms: int, token: bytes = TOKEN) -> list[Attempt]:
    jobs = [(member(number), record(ms)) for number, ms in enumerate(created_ms, 1)]
    tally.claimed("email", token, jobs)
    return [Attempt(one, token, Record(text), LANE, time.monotonic()) for one, text in jobs]


def sums(tally: Tally) -> Sums:
    handover = tally.handover()
    assert handover is not None
    return handover[1]["email"]


@pytest.mark.parametrize(
    ("options", "ready"),
    [
        (b"", 1000),
        (b'{"attempts":3}', 1000),
        (b'{"delay_ms":500}', 1500),
        (b'{"due_ms":4000}', 4000),
        (b'{"due_ms":5}', 1000),
    ],
)
def test_a_job_could_run_when_it_was_there_and_due(options: bytes, ready: int) -> None:
    text = record(1000, options)
    assert ready_ms(text) == ready_ms(text.partition(b"\n")[0]) == ready


def test_of_many_jobs_of_one_claim_each_is_counted() -> None:
    tally = Tally()
    claimed(tally, *[4000] * 3, *[4990] * 4)
    told = sums(tally)
    assert told.below(WAITING, float("inf")) == 7
    assert told.below(WAITING, 0.016) == 3  # the last stands for half of them
    assert told.seconds(WAITING) == pytest.approx(4 * 1 + 3 * 0.01)


def test_only_first_runs_tell_how_long_they_waited() -> None:
    tally = Tally()
    claimed(tally, 1000, token=b"2 nonce w1 5000 1 0")
    assert tally.handover() is None


def test_what_counts_is_what_the_server_took() -> None:
    tally = Tally()
    attempts = claimed(tally, *[5000] * 6)
    outcomes = [Success(b"1"), Success(b"1"), Failure(b"", None), Failure(b"", 500), Release(), Success(b"1")]
    batch = list(zip(attempts, outcomes, strict=True))
    tally.ended(batch, [attempts[5].member], time.monotonic() + 2)
    told = sums(tally)
    assert told.counts == [2, 1, 1]
    assert told.below(RUNNING, 1.024) == 0
    assert told.below(RUNNING, 4.096) == 4


def test_sums_are_handed_over_under_one_name_until_they_are_known() -> None:
    tally = Tally()
    claimed(tally, 5000)
    first = tally.handover()
    claimed(tally, 5000, 5000)
    assert tally.handover() is first
    tally.handed_over()
    second = tally.handover()
    assert first is not None
    assert second is not None
    assert first[0] != second[0]
    assert second[1]["email"].below(WAITING, float("inf")) == 2
    tally.handed_over()
    assert tally.handover() is None


def test_very_many_types_are_handed_over_bit_by_bit() -> None:
    tally = Tally()
    for number in range(MOST_TYPES + 5):
        tally.claimed(f"t{number}", TOKEN, [(b"a1", record(5000))])
    parts = []
    while (handover := tally.handover()) is not None:
        parts.append(len(handover[1]))
        tally.handed_over()
    assert parts == [MOST_TYPES, 5]
