"""Events: one entry of the stream for each call that moved something, numbered without holes, naming every job."""

from tests.commands.engine import Engine, new
from tests.commands.life import live


async def test_one_call_is_one_entry(engine: Engine) -> None:
    await engine.enqueue("email", "push", new(due=b"+1"))
    jobs = await engine.claim(["email", "push"])
    await engine.complete(*jobs)
    assert sorted((told.position, told.event, told.id) for told in await engine.happened()) == [
        (b"1-0", "enqueue", 1),
        (b"1-0", "enqueue", 2),
        (b"1-0", "enqueue", 3),
        (b"2-0", "start", 1),
        (b"2-0", "start", 2),
        (b"3-0", "complete", 1),
        (b"3-0", "complete", 2),
    ]


async def test_entries_are_numbered_without_holes(engine: Engine) -> None:
    await live(engine)
    entries = await engine.command("XRANGE", engine.key("events"), "-", "+")
    assert [position for position, _ in entries] == [b"%d-0" % number for number in range(1, len(entries) + 1)]
    assert await engine.command("GET", engine.key("eventseq")) == b"%d" % len(entries)


async def test_a_call_that_moves_nothing_tells_nothing(engine: Engine) -> None:
    await engine.enqueue("email")
    one = await engine.claim_one()
    before = await engine.events()
    await engine.claim()
    await engine.extend(one)
    await engine.act("retry", 1, 99)
    await engine.prune()
    assert await engine.events() == before


async def test_events_have_the_time_of_their_call(engine: Engine) -> None:
    await engine.enqueue("email")
    engine.clock.advance(5)
    await engine.claim()
    assert [told.at_ms for told in await engine.happened()] == [engine.now - 5000, engine.now]


async def test_the_stream_keeps_about_as_many_entries_as_asked(engine: Engine) -> None:
    from barq.protocol.call import Space

    engine.space = Space(engine.space.queue, events_keep=100)
    for _ in range(500):
        await engine.enqueue("email")
    kept = await engine.command("XLEN", engine.key("events"))
    assert 100 <= kept < 400
    assert (await engine.happened())[-1].position == b"500-0"


async def test_a_job_tells_its_whole_story(engine: Engine) -> None:
    await engine.enqueue(new(due=b"+10"))
    await engine.act("promote", 1)
    await engine.fail(await engine.claim_one(), retry_ms=0)
    await engine.release(await engine.claim_one())
    await engine.fail(await engine.claim_one())
    await engine.act("retry", 1)
    await engine.act("cancel", 1)
    await engine.act("remove", 1)
    assert [event for event, _ in await engine.events()] == [
        "enqueue",
        "promotion",
        "start",
        "failed attempt",
        "promotion",
        "start",
        "requeue",
        "start",
        "failed",
        "retry",
        "cancel",
        "remove",
    ]
