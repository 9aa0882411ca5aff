"""Order: what workers are told with their beats."""

from tests.commands.engine import Engine


async def test_a_worker_hears_it_with_every_beat(engine: Engine) -> None:
    assert await engine.beat("w1") == ""
    assert await engine.order("w1", "drain") is True
    assert [await engine.beat("w1"), await engine.beat("w1")] == ["drain", "drain"]
    assert await engine.beat("w2") == ""


async def test_the_same_order_is_no_new_one(engine: Engine) -> None:
    await engine.beat("w1")
    await engine.order("w1", "drain")
    assert await engine.order("w1", "drain") is False
    assert await engine.order("w1", "stop") is True
    assert await engine.beat("w1") == "stop"


async def test_an_order_is_taken_back(engine: Engine) -> None:
    await engine.beat("w1")
    assert await engine.order("w1", "work") is False
    await engine.order("w1", "drain")
    assert await engine.order("w1", "work") is True
    assert await engine.beat("w1") == ""


async def test_there_is_nobody_to_tell(engine: Engine) -> None:
    assert await engine.order("w1", "drain") is None
    await engine.beat("w1", lives_ms=1000)
    engine.clock.advance(1)
    assert await engine.order("w1", "drain") is None


async def test_what_the_dead_and_those_who_left_were_told_is_forgotten(engine: Engine) -> None:
    await engine.beat("w1", lives_ms=1000)
    await engine.order("w1", "drain", by="")
    await engine.beat("w2")
    await engine.order("w2", "drain", by="")
    engine.clock.advance(1)
    await engine.beat("w3")
    await engine.beat("w2", lives_ms=0)
    assert await engine.command("EXISTS", engine.key("orders")) == 0
