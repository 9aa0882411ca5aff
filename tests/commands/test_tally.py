"""Tally, stats, history: what workers counted, added up in the server, and read again."""

from barq.protocol import calls, reads
from barq.sums import COMPLETED, FAILED, RETRIED, RUNNING, WAITING, Sums
from tests.commands.engine import Engine, new

MINUTE_MS = 60_000


def counted(completed: int = 0, failed: int = 0, retried: int = 0, *, ran_ms: float | None = None) -> Sums:
    sums = Sums([completed, failed, retried])
    if ran_ms is not None:
        sums.took(RUNNING, ran_ms, completed + failed + retried)
    return sums


async def tally(engine: Engine, *, worker: str = "w1", name: str, **types: Sums) -> None:
    await engine.send(calls.tally(engine.space, worker, types, now_ms=engine.now, name=name))


async def minutes(engine: Engine, type: str, count: int = 3) -> list[list[int]]:
    call = reads.history(engine.space, type, span="minute", seconds=60, count=count, now_ms=engine.now)
    now, sums = await engine.send(call)
    assert now == engine.now
    return [one.counts for one in sums]


async def test_workers_add_to_the_same_minute(engine: Engine) -> None:
    await tally(engine, name="a", email=counted(2, 1, ran_ms=5))
    await tally(engine, worker="w2", name="b", email=counted(3, retried=4, ran_ms=5000), push=counted(1))
    assert await minutes(engine, "email") == [[0, 0, 0], [0, 0, 0], [5, 1, 4]]
    assert await minutes(engine, "push") == [[0, 0, 0], [0, 0, 0], [1, 0, 0]]
    _, (*_, last) = await engine.send(
        reads.history(engine.space, "email", span="minute", seconds=60, count=1, now_ms=engine.now)
    )
    assert last.below(RUNNING, 0.016) == 3
    assert last.below(RUNNING, 16.384) == 10
    assert last.seconds(RUNNING) == 35.015


async def test_all_types_together_are_told_as_well(engine: Engine) -> None:
    await tally(engine, name="a", email=counted(2), push=counted(1, 1))
    await tally(engine, name="b", email=counted(1))
    assert (await minutes(engine, ""))[-1] == [4, 1, 0]


async def test_the_same_sums_are_added_once(engine: Engine) -> None:
    await tally(engine, name="a", email=counted(2))
    await engine.repeat()
    await engine.resend()
    assert (await minutes(engine, "email"))[-1] == [2, 0, 0]
    assert (await engine.send(reads.ever(engine.space)))["email"].counts == [2, 0, 0]


async def test_what_comes_later_is_of_a_later_minute_and_the_same_quarter(engine: Engine) -> None:
    engine.clock.advance((15 * MINUTE_MS - engine.now % (15 * MINUTE_MS)) / 1000)
    await tally(engine, name="a", email=counted(1))
    engine.clock.advance(60)
    await tally(engine, name="b", email=counted(2))
    engine.clock.advance(60)
    assert await minutes(engine, "email") == [[1, 0, 0], [2, 0, 0], [0, 0, 0]]
    _, (last,) = await engine.send(
        reads.history(engine.space, "email", span="quarter", seconds=900, count=1, now_ms=engine.now)
    )
    assert last.counts == [3, 0, 0]
    assert (await engine.send(reads.ever(engine.space)))["email"].counts == [3, 0, 0]


async def test_what_is_kept_ends_by_itself(engine: Engine) -> None:
    await tally(engine, name="a", email=counted(1))
    lives = {
        key.decode().rpartition("}:")[2].partition(":")[0]: int(await engine.command("TTL", key))
        for key in await engine.command("KEYS", engine.space.prefix + b"*")
    }
    assert 7200 <= lives["minute"] <= 7500
    assert 604_800 <= lives["quarter"] <= 606_600
    assert 0 < lives["tally"] <= 600
    assert lives["ever"] == -1


async def test_a_week_of_a_type_takes_little_memory(engine: Engine) -> None:
    """A type that never rests: what a minute and a quarter of an hour of it take, with jobs of all lengths."""
    sums = Sums([1000, 10, 10])
    for cell in range(0, 24):
        sums.took(WAITING, 2 ** (cell / 2), 40)
        sums.took(RUNNING, 2 ** (cell / 2), 40)
    await tally(engine, name="a", email=sums)
    (key,) = await engine.command("KEYS", engine.space.prefix + b"minute:*")
    value = await engine.command("HGET", key, "email")
    assert len(value) <= 220
    taken = await engine.command("MEMORY", "USAGE", key)
    assert taken <= 1000  # of two fields, the type and all together


async def test_stats_tell_sixteen_minutes_and_the_oldest_of_each_priority(engine: Engine) -> None:
    await tally(engine, name="a", email=counted(6))
    engine.clock.advance(60)
    first, _, urgent = await engine.enqueue("email", "email", new(priority=-10))
    _, (email, push) = await engine.send(reads.stats(engine.space, ["email", "push"], now_ms=engine.now))
    assert [sums.counts[COMPLETED] for sums in email.minutes] == [0] * 14 + [6, 0]
    assert [sums.counts[FAILED] + sums.counts[RETRIED] for sums in push.minutes] == [0] * 16
    assert [head.split(b"\t")[:2] for head, _ in email.heads] == [
        [b"%d" % engine.now, b"-10"],
        [b"%d" % engine.now, b"0"],
    ]
    assert push.heads == []
    assert (first, urgent) == (1, 3)


async def test_a_job_that_ended_before_waits_since_then(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.complete(await engine.claim_one())
    ended = engine.now
    engine.clock.advance(5)
    await engine.act("retry", 1)
    _, (email,) = await engine.send(reads.stats(engine.space, ["email"], now_ms=engine.now))
    assert [since for _, since in email.heads] == [ended]
