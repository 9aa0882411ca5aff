"""Beat and workers: who is alive."""

from tests.commands.engine import Engine


async def test_a_worker_that_beats_is_alive(engine: Engine) -> None:
    await engine.beat("w1", b'{"pid":1}')
    await engine.beat("w2", b'{"pid":2}')
    assert await engine.workers() == {"w1": b'{"pid":1}', "w2": b'{"pid":2}'}


async def test_a_worker_that_says_nothing_is_dead_in_time(engine: Engine) -> None:
    await engine.beat("w1", lives_ms=1000)
    engine.clock.advance(0.999)
    assert list(await engine.workers()) == ["w1"]
    engine.clock.advance(0.001)
    assert await engine.workers() == {}


async def test_the_dead_are_forgotten_by_the_beat_of_another(engine: Engine) -> None:
    await engine.beat("w1", lives_ms=1000)
    engine.clock.advance(2)
    await engine.beat("w2")
    assert await engine.command("HKEYS", engine.key("workers")) == [b"w2"]
    assert await engine.command("ZCARD", engine.key("workers:until")) == 1


async def test_a_worker_that_leaves_is_gone_at_once(engine: Engine) -> None:
    await engine.beat("w1")
    await engine.beat("w1", lives_ms=0)
    assert await engine.workers() == {}
    assert await engine.dump() == {}


async def test_a_beat_renews_what_the_worker_says_of_itself(engine: Engine) -> None:
    await engine.beat("w1", b"old")
    engine.clock.advance(8)
    await engine.beat("w1", b"new")
    engine.clock.advance(8)
    assert await engine.workers() == {"w1": b"new"}
