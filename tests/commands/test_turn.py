"""Turn: settle and claim in one call mean what they mean one after the other."""

from tests.commands.engine import LEASE_MS, Engine, ending, held

LOST = LEASE_MS / 1000 + 0.001


async def test_what_ended_is_settled_and_the_next_job_claimed(engine: Engine) -> None:
    await engine.enqueue("email", "email")
    first = await engine.claim_one()
    lost, jobs = await engine.turn(ending(first, "complete", b"1"), most=1)
    assert lost == []
    assert [one.id for one in jobs] == [2]
    assert await engine.counts() == {"completed": 1, "active": 1}


async def test_both_halves_are_one_entry_of_the_stream(engine: Engine) -> None:
    await engine.enqueue("email", "email")
    await engine.turn(ending(await engine.claim_one(), "complete"))
    assert [(told.position, told.event, told.id) for told in (await engine.happened())[-2:]] == [
        (b"3-0", "complete", 1),
        (b"3-0", "start", 2),
    ]


async def test_late_settle_is_refused_and_the_claim_goes_on(engine: Engine) -> None:
    await engine.enqueue("email", "email")
    late = await engine.claim_one()
    await engine.act("cancel", 1)
    lost, jobs = await engine.turn(ending(late, "complete"))
    assert (lost, [one.id for one in jobs]) == ([1], [2])
    repeated, _ = await engine.repeat()
    assert repeated == [b"a1"]


async def test_a_released_job_can_be_claimed_in_the_same_turn(engine: Engine) -> None:
    await engine.enqueue("email")
    lost, jobs = await engine.turn(ending(await engine.claim_one(), "release"))
    assert (lost, [(one.id, one.attempt) for one in jobs]) == ([], [(1, 2)])


async def test_a_repeat_changes_nothing(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 5)
    first, second, third = await engine.claim(most=3)
    _, jobs = await engine.turn(
        ending(first, "complete", b"1"), ending(second, "fail", b"2"), ending(third, "fail", b"3", retry_ms=99), most=1
    )
    before = await engine.dump()
    lost, again = await engine.repeat()
    assert (lost, held(again)) == ([], jobs)
    assert await engine.dump() == before


async def test_a_turn_without_settlements_is_a_claim(engine: Engine) -> None:
    await engine.enqueue("email", "push")
    lost, jobs = await engine.turn(types=["email", "push"])
    assert (lost, [one.id for one in jobs]) == ([], [1, 2])


async def test_a_turn_leaves_the_chores_to_claims(engine: Engine) -> None:
    await engine.enqueue("email", "email")
    first = await engine.claim_one()
    await engine.fail(first, retry_ms=1000)
    await engine.claim_one(worker="w2")
    engine.clock.advance(LOST)
    _, jobs = await engine.turn()
    assert jobs == []
    assert await engine.ids_claimed() == [1, 2]
