"""Record: how a job is written in the server, and read back."""

import hypothesis.strategies as st
from hypothesis import given

from barq.options import JobOptions, encode_options
from barq.record import (
    NEVER_RUN,
    Record,
    Run,
    decode_described,
    decode_ending,
    decode_run,
    member,
    number,
    record_head,
)

IDS = st.integers(min_value=1, max_value=2**53)


@given(IDS)
def test_a_member_is_read_back(job_id: int) -> None:
    assert number(member(job_id)) == job_id


@given(IDS, IDS)
def test_members_sort_like_their_numbers(one: int, other: int) -> None:
    assert (member(one) < member(other)) == (one < other)


@given(
    priority=st.integers(min_value=-(2**53), max_value=2**53),
    type=st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1),
    payload=st.binary(),
)
def test_a_record_is_read_back(priority: int, type: str, payload: bytes) -> None:
    options = encode_options(JobOptions(attempts=3, title="a\tb\n"))
    record = Record(b"17\t" + record_head(priority=priority, type=type, options=options) + payload)
    assert (record.created_ms, record.priority, record.type, record.payload) == (17, priority, type, payload)
    assert record.options == JobOptions(attempts=3, title="a\tb\n")


def test_plain_options_take_no_room() -> None:
    assert record_head(priority=0, type="email", options=encode_options(JobOptions())) + b"{}" == (b"0\temail\t\n{}")


def test_counts_between_attempts_are_read() -> None:
    assert decode_run(b"3 2 1") == Run(attempt=3, failures=2, rescues=1)


def test_a_token_is_read() -> None:
    assert decode_run(b"3 abcd host-1 1700 2 1") == Run(3, 2, 1, "host-1", 1700)


def test_what_never_ran_has_no_counts() -> None:
    assert decode_run(None) is NEVER_RUN
    assert decode_run(b"") is NEVER_RUN


def test_an_ending_is_read() -> None:
    ending = decode_ending(b"1800 3 abcd host-1 1700 2 1\nbody \n with lines")
    assert ending is not None
    assert (ending.ended_ms, ending.run.attempt, ending.body) == (1800, 3, b"body \n with lines")


def test_what_has_not_ended_has_no_ending() -> None:
    assert decode_ending(None) is None


def test_jobs_of_one_reply_are_told_apart() -> None:
    record = b"17\t0\temail\t\n{}"
    reply: list[bytes | None] = [b"a1", b"waiting", b"0", record, None, None, None]
    reply += [b"b12", b"active", b"99", record, b"1 n w 5 0 0", None, b"50 "]
    first, second = decode_described(reply)
    assert (first.id, first.status.state, first.status.run.worker) == (1, "waiting", None)
    assert (second.id, second.status.run.worker, second.status.note) == (12, "w", b"50 ")
