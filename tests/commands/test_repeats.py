"""Repeats: a call that is sent again, because its answer was lost or the network delivered it twice, changes nothing."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from barq.options import Retention
from barq.protocol import acts, calls, retention, streams
from barq.protocol.call import Call, Space
from barq.sums import Sums
from tests.commands.engine import LEASE_MS, Engine, Held, ending, new, word
from tests.commands.life import shown

Prepare = Callable[[Engine, int], Awaitable[Call[Any]]]
PREPARED: dict[str, Prepare] = {}


def prepared(prepare: Prepare) -> Prepare:
    PREPARED[prepare.__name__] = prepare
    return prepare


async def three_running(engine: Engine) -> tuple[Held, Held, Held]:
    await engine.enqueue(*["email"] * 5, new(due=b"+60000"))
    await engine.watch(1, 2, 3, 4, 5)
    first, second, third = await engine.claim(most=3)
    return first, second, third


@prepared
async def settle(engine: Engine, now_ms: int) -> Call[Any]:
    first, second, third = await three_running(engine)
    return calls.settle(
        engine.space,
        [ending(first, "complete", b"1"), ending(second, "fail", b"2"), ending(third, "fail", b"3", retry_ms=0)],
        now_ms=now_ms,
    )


@prepared
async def settle_for_release(engine: Engine, now_ms: int) -> Call[Any]:
    first, second, _ = await three_running(engine)
    return calls.settle(engine.space, [ending(first, "release"), ending(second, "discard")], now_ms=now_ms)


@prepared
async def settle_with_retention(engine: Engine, now_ms: int) -> Call[Any]:
    engine.space = Space(engine.space.queue, completed=Retention(count=1), failed=Retention(count=0))
    first, second, third = await three_running(engine)
    return calls.settle(
        engine.space,
        [ending(first, "complete", b"1"), ending(second, "complete", b"2"), ending(third, "fail", b"3")],
        now_ms=now_ms,
    )


@prepared
async def report(engine: Engine, now_ms: int) -> Call[Any]:
    first, second, _ = await three_running(engine)
    words = [
        word(first, "log", b"a"),
        word(second, "progress", b"5 "),
        word(first, "log", b"b"),
        word(first, "log", b"b"),
    ]
    return calls.report(engine.space, words, now_ms=now_ms)


@prepared
async def cancel(engine: Engine, now_ms: int) -> Call[Any]:
    await three_running(engine)
    return acts.act(engine.space, "cancel", [1, 4, 6, 7], now_ms=now_ms)


@prepared
async def retry(engine: Engine, now_ms: int) -> Call[Any]:
    first, second, _ = await three_running(engine)
    await engine.complete(first)
    await engine.fail(second)
    return acts.act(engine.space, "retry", [1, 2, 3, 7], now_ms=now_ms)


@prepared
async def promote(engine: Engine, now_ms: int) -> Call[Any]:
    await three_running(engine)
    return acts.act(engine.space, "promote", [6, 5, 7], now_ms=now_ms)


@prepared
async def remove(engine: Engine, now_ms: int) -> Call[Any]:
    first, _, _ = await three_running(engine)
    await engine.complete(first)
    return acts.act(engine.space, "remove", [1, 2, 4, 6, 7], now_ms=now_ms)


@prepared
async def prune(engine: Engine, now_ms: int) -> Call[Any]:
    first, second, _ = await three_running(engine)
    await engine.complete(first, second)
    engine.space = Space(engine.space.queue, completed=Retention(count=1))
    return retention.prune(engine.space, "email", now_ms=now_ms)


@prepared
async def resume(engine: Engine, now_ms: int) -> Call[Any]:
    await three_running(engine)
    await engine.pause("email")
    return acts.resume(engine.space, "email", now_ms=now_ms)


@prepared
async def pause(engine: Engine, now_ms: int) -> Call[Any]:
    await three_running(engine)
    return acts.pause(engine.space, "email", now_ms=now_ms, by="ada", reason="")


@prepared
async def pause_for_a_time(engine: Engine, now_ms: int) -> Call[Any]:
    await three_running(engine)
    return acts.pause(engine.space, "email", now_ms=now_ms, by="ada", reason="", lasts_ms=5000)


@prepared
async def edit(engine: Engine, now_ms: int) -> Call[Any]:
    await three_running(engine)
    return acts.edit(engine.space, 4, now_ms=now_ms, by="ada", priority=-3, data=b"[]", retry=False)


@prepared
async def edit_and_retry(engine: Engine, now_ms: int) -> Call[Any]:
    first, _, _ = await three_running(engine)
    await engine.fail(first)
    return acts.edit(engine.space, 1, now_ms=now_ms, by="ada", priority=None, data=b"[]", retry=True)


@prepared
async def retry_written_down(engine: Engine, now_ms: int) -> Call[Any]:
    first, second, _ = await three_running(engine)
    await engine.fail(first)
    await engine.complete(second)
    return acts.act(engine.space, "retry", [1, 2, 3, 7], now_ms=now_ms, by="ada")


@prepared
async def tally(engine: Engine, now_ms: int) -> Call[Any]:
    sums = {"email": Sums([2, 1, 0], {4: 1, 99: 3}), "push": Sums([0, 0, 1], {104: 1, 199: 4})}
    return calls.tally(engine.space, "w1", sums, now_ms=now_ms, name="n")


@prepared
async def order(engine: Engine, now_ms: int) -> Call[Any]:
    await engine.send(calls.beat(engine.space, "w1", b"{}", now_ms=now_ms, lives_ms=10**6))
    return acts.order(engine.space, "w1", "drain", now_ms=now_ms, by="ada")


@prepared
async def audit(engine: Engine, now_ms: int) -> Call[Any]:
    return acts.write_down(engine.space, "ada", "clone", 1, 2, now_ms=now_ms)


@prepared
async def extend(engine: Engine, now_ms: int) -> Call[Any]:
    jobs = await three_running(engine)
    return calls.extend(engine.space, [one.holding for one in jobs], now_ms=now_ms, lease_ms=2 * LEASE_MS)


@prepared
async def watch(engine: Engine, now_ms: int) -> Call[Any]:
    await three_running(engine)
    return streams.watch(engine.space, [1, 4, 7], now_ms=now_ms, inbox="other", watch_ms=1000)


@prepared
async def beat(engine: Engine, now_ms: int) -> Call[Any]:
    return calls.beat(engine.space, "w1", b"{}", now_ms=now_ms, lives_ms=1000)


@prepared
async def enqueue(engine: Engine, now_ms: int) -> Call[Any]:
    await engine.enqueue(new(token="a"))
    jobs = [new("email"), new("push", token="a"), new("push", token="b", watch=True), new(due=b"+5"), new(token="b")]
    return calls.enqueue(engine.space, jobs, now_ms=now_ms, producer=b"q", batch=1, inbox=b"me", watch_ms=1000)


@prepared
async def claim(engine: Engine, now_ms: int) -> Call[Any]:
    await engine.enqueue(*["email"] * 5, "push")
    return claim_of(engine, now_ms, "email", "push")


@prepared
async def claim_with_chores(engine: Engine, now_ms: int) -> Call[Any]:
    await engine.enqueue(*["email"] * 5, new(due=b"+1"))
    await engine.claim(most=2)
    engine.clock.advance(LEASE_MS / 1000 + 1)
    return claim_of(engine, now_ms or engine.now, "email")


@prepared
async def turn(engine: Engine, now_ms: int) -> Call[Any]:
    first, second, third = await three_running(engine)
    settlements = [ending(first, "complete", b"1"), ending(second, "fail", retry_ms=10**6), ending(third, "discard")]
    return calls.turn(
        engine.space,
        settlements,
        [("email", 1), ("push", 2)],
        now_ms=now_ms,
        worker="w1",
        nonce="n",
        lease_ms=LEASE_MS,
        most=2,
    )


def claim_of(engine: Engine, now_ms: int, *types: str) -> Call[Any]:
    return calls.claim(
        engine.space,
        [(type_, 3) for type_ in types],
        now_ms=now_ms,
        worker="w1",
        nonce="n",
        lease_ms=LEASE_MS,
        poison=3,
        most=3,
    )


FROM_NOW_ON = {"extend", "watch", "beat"}
"""What says how long something holds from now on; sent later it holds longer, and nothing else changes."""

KNOWN_BY_REPEAT_ONLY = {"enqueue", "claim", "claim_with_chores", "turn"}
"""What costs less when only a call marked as a repeat is looked for. The store marks each call that it sends again."""


@pytest.mark.parametrize("command", PREPARED)
async def test_a_repeat_gives_the_same_answer_and_changes_nothing(engine: Engine, command: str) -> None:
    call = await PREPARED[command](engine, engine.now)
    first = await engine.send(call)
    before = await engine.dump()
    again = await engine.send(call.again())
    assert await engine.dump() == before
    if command == "prune":
        assert (first, again) == (1, 0)
    else:
        assert shown(again) == shown(first)


@pytest.mark.parametrize("command", sorted(PREPARED.keys() - FROM_NOW_ON))
async def test_a_repeat_at_a_later_time_changes_nothing(engine: Engine, command: str) -> None:
    call = await PREPARED[command](engine, 0)
    await engine.send(call)
    before = await engine.dump()
    await engine.next_server_ms()
    await engine.send(call.again())
    assert await engine.dump() == before


@pytest.mark.parametrize("command", sorted(PREPARED.keys() - KNOWN_BY_REPEAT_ONLY))
async def test_a_call_delivered_twice_changes_nothing(engine: Engine, command: str) -> None:
    call = await PREPARED[command](engine, engine.now)
    await engine.send(call)
    before = await engine.dump()
    await engine.send(call)
    assert await engine.dump() == before


@pytest.mark.parametrize("command", PREPARED)
async def test_a_repeat_whose_first_sending_was_lost_does_its_work(engine: Engine, command: str) -> None:
    call = await PREPARED[command](engine, engine.now)
    before = await engine.dump()
    await engine.send(call.again())
    after = await engine.dump()
    assert after != before
    await engine.send(call.again())
    assert await engine.dump() == after
