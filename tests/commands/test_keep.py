"""Keep and recall: results of steps, under the fence, until the job is forgotten."""

from typing import Any

from barq.options import Retention
from barq.protocol import calls
from barq.protocol.call import Space
from barq.record import member
from tests.commands.engine import LEASE_MS, Engine, Held, ending


async def keep(engine: Engine, held: Held, name: str, body: bytes) -> Any:
    return await engine.send(calls.keep(engine.space, member(held.id), held.token, name, body, now_ms=engine.now))


async def recall(engine: Engine, held: Held, name: str) -> Any:
    return await engine.send(calls.recall(engine.space, member(held.id), held.token, name))


async def steps_left(engine: Engine) -> int:
    return len([key for key in await engine.dump() if b":step:" in key])


async def test_a_result_is_kept_for_the_next_attempt(engine: Engine) -> None:
    await engine.enqueue("email")
    first = await engine.claim_one()
    assert await recall(engine, first, "charge") == (True, None)
    assert await keep(engine, first, "charge", b"5") == (True, b"5")
    await engine.fail(first, retry_ms=0)
    second = await engine.claim_one()
    assert second.attempt == 2
    assert await recall(engine, second, "charge") == (True, b"5")
    assert await recall(engine, second, "mail") == (True, None)


async def test_what_is_kept_stays_and_a_repeat_changes_nothing(engine: Engine) -> None:
    await engine.enqueue("email")
    held = await engine.claim_one()
    await keep(engine, held, "charge", b"5")
    before = await engine.dump()
    assert await engine.resend() == (True, b"5")
    assert await engine.repeat() == (True, b"5")
    assert await keep(engine, held, "charge", b"6") == (True, b"5")
    assert await engine.dump() == before


async def test_a_stale_holder_is_refused_and_keeps_nothing(engine: Engine) -> None:
    await engine.enqueue("email")
    stale = await engine.claim_one()
    engine.clock.advance(LEASE_MS / 1000 + 1)
    held = await engine.claim_one()
    assert await keep(engine, stale, "charge", b"5") == (False, None)
    assert await recall(engine, stale, "charge") == (False, None)
    assert await recall(engine, held, "charge") == (True, None)
    await engine.act("cancel", held.id)
    assert await keep(engine, held, "charge", b"5") == (False, None)
    assert await steps_left(engine) == 0


async def test_jobs_do_not_share_steps(engine: Engine) -> None:
    await engine.enqueue("email", "email")
    first, second = await engine.claim(most=2)
    await keep(engine, first, "charge", b"5")
    assert await recall(engine, second, "charge") == (True, None)


async def test_a_retry_by_hand_keeps_the_results(engine: Engine) -> None:
    await engine.enqueue("email")
    held = await engine.claim_one()
    await keep(engine, held, "charge", b"5")
    await engine.fail(held)
    assert await engine.act("retry", held.id) == [""]
    assert await recall(engine, await engine.claim_one(), "charge") == (True, b"5")


async def test_what_is_kept_is_forgotten_with_the_job(engine: Engine) -> None:
    engine.space = Space(engine.space.queue, completed=Retention(count=0))
    await engine.enqueue(*["email"] * 3)
    pruned, discarded, removed = await engine.claim(most=3)
    for held in (pruned, discarded, removed):
        await keep(engine, held, "charge", b"5")
    assert await steps_left(engine) == 3
    await engine.settle(ending(pruned, "complete"))
    assert await steps_left(engine) == 2
    await engine.settle(ending(discarded, "discard"), ending(removed, "fail", b"{}\n"))
    assert await steps_left(engine) == 1
    assert await engine.act("remove", removed.id) == [""]
    assert await steps_left(engine) == 0
