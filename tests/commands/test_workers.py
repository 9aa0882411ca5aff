"""Workers: told however many there are. Who counts as alive is told in test_beat.py."""

from tests.commands.engine import Engine


async def test_nobody_is_alive_in_a_new_queue(engine: Engine) -> None:
    assert await engine.workers() == {}


async def test_more_workers_than_one_slice_are_told(engine: Engine) -> None:
    for number in range(520):
        await engine.beat(f"w{number}", b"%d" % number)
    assert await engine.workers() == {f"w{number}": b"%d" % number for number in range(520)}
