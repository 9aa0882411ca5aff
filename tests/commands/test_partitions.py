"""Partitions: the number that a queue is cut into, told once."""

from tests.commands.engine import Engine


async def test_the_first_number_stays(engine: Engine) -> None:
    assert await engine.partitions(16) == 16
    assert await engine.partitions(8) == 16
    assert await engine.partitions(1) == 16


async def test_a_queue_that_is_there_already_has_one(engine: Engine) -> None:
    await engine.enqueue("email")
    assert await engine.partitions(16) == 1
    assert b"partitions" not in b"".join(await engine.dump())


async def test_one_is_not_told(engine: Engine) -> None:
    assert await engine.partitions(1) == 1
    assert await engine.dump() == {}
    assert await engine.partitions(16) == 16
