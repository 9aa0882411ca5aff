"""Counts: as many as the lines hold, and never the long member that is no job."""

from barq.listing import all_types
from barq.protocol import reads
from barq.states import State
from tests.commands.engine import Engine, new


async def test_every_state_is_counted(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 5, new(due=b"+1000"))
    first, second, _ = await engine.claim(most=3)
    await engine.complete(first)
    await engine.fail(second)
    await engine.act("cancel", 5)
    assert await engine.counts() == {
        "waiting": 1,
        "delayed": 1,
        "active": 1,
        "completed": 1,
        "failed": 1,
        "cancelled": 1,
    }


async def test_an_unknown_type_has_nothing(engine: Engine) -> None:
    assert await engine.counts("nobody") == {}


async def test_a_type_that_is_only_paused_has_nothing(engine: Engine) -> None:
    await engine.pause("email")
    assert await engine.counts() == {}


async def test_types_are_counted_in_the_order_asked(engine: Engine) -> None:
    await engine.enqueue("b", "a", "a")
    _, rows = await engine.send(reads.counts(engine.space, ["a", "c", "b"]))
    assert [(row.type, row.counts["waiting"]) for row in rows] == [("a", 2), ("c", 0), ("b", 1)]


async def test_all_types_come_slice_by_slice(engine: Engine) -> None:
    types = [f"t{number:04}" for number in range(1200)]
    for at in range(0, 1200, 200):
        await engine.enqueue(*types[at : at + 200])
    exchange, slices = all_types(engine.space), 0
    call = next(exchange)
    while True:
        slices += 1
        try:
            call = exchange.send(await engine.send(call))
        except StopIteration as end:
            found = end.value
            break
    assert list(found) == types
    assert slices > 1
    assert {row.counts[State.WAITING] for row in found.values()} == {1}


async def test_the_queue_itself_has_its_pause_and_no_jobs(engine: Engine) -> None:
    await engine.pause()
    _, (row,) = await engine.send(reads.counts(engine.space))
    assert (row.type, row.paused["by"], sum(row.counts.values())) == ("", "ada", 0)
