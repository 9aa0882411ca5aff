"""Pause and resume: who stopped what, and why. What it means for claims is told in test_claim.py."""

from barq.protocol import acts, reads
from tests.commands.engine import Engine, new


async def paused_by(engine: Engine, type: str = "email") -> object:
    _, (row,) = await engine.send(reads.counts(engine.space, [type], now_ms=engine.now))
    return row.paused


async def test_a_pause_says_who_and_why(engine: Engine) -> None:
    assert await engine.pause("email", by='Ada "A" 🐘', reason="{}[]\t\n")
    assert await paused_by(engine) == {"by": 'Ada "A" 🐘', "reason": "{}[]\t\n", "at": engine.now}


async def test_a_second_pause_is_no_new_one(engine: Engine) -> None:
    await engine.pause("email", by="ada")
    assert not await engine.pause("email", by="bob")


async def test_the_pause_of_a_type_and_of_the_queue_are_two(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.pause("email")
    await engine.pause()
    await engine.resume()
    assert await engine.ids_claimed() == []
    await engine.resume("email")
    assert await engine.ids_claimed() == [1]


async def test_a_type_can_be_paused_before_its_first_job(engine: Engine) -> None:
    await engine.pause("email")
    await engine.enqueue("email")
    assert await engine.ids_claimed() == []
    assert await engine.command("OBJECT", "ENCODING", engine.key("run")) == b"hashtable"
    assert await engine.command("OBJECT", "ENCODING", engine.key("email:active")) == b"skiplist"
    await engine.resume("email")
    assert await engine.ids_claimed() == [1]


async def test_resume_without_a_pause_changes_nothing(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.unmark()
    before = await engine.dump()
    for type_ in ("email", "push", ""):
        assert not await engine.resume(type_)
    after = await engine.dump()
    assert {key: held for key, held in after.items() if b":once:" not in key or b":once:p" in key} == before


async def test_a_repeated_pause_gives_the_same_answer_and_keeps_its_time(engine: Engine) -> None:
    pause = acts.pause(engine.space, "email", now_ms=0, by="ada", reason="")
    assert await engine.send(pause)
    before = await paused_by(engine)
    await engine.next_server_ms()
    assert await engine.send(pause.again())
    assert await paused_by(engine) == before


async def test_a_repeated_pause_does_not_undo_a_resume(engine: Engine) -> None:
    await engine.pause("email")
    pause = engine.last
    await engine.resume("email")
    assert await engine.send(pause.again())
    assert await paused_by(engine) is None


async def test_a_repeated_resume_gives_the_same_answer(engine: Engine) -> None:
    await engine.pause("email")
    assert await engine.resume("email")
    assert await engine.repeat()
    assert await engine.resend()


async def test_the_resume_of_the_queue_sets_the_markers_of_all_types(engine: Engine) -> None:
    types = [f"t{number}" for number in range(20)]
    await engine.enqueue(*types)
    await engine.pause()
    for type_ in types:
        await engine.unmark(type_)
    await engine.resume()
    assert all([await engine.marked(type_) for type_ in types])


async def test_enqueue_goes_on_during_a_pause(engine: Engine) -> None:
    await engine.pause()
    await engine.enqueue("email", new(due=b"+1"))
    assert await engine.counts() == {"waiting": 1, "delayed": 1}


async def test_a_pause_with_an_end_is_over_by_itself(engine: Engine) -> None:
    await engine.enqueue("email")
    assert await engine.pause("email", lasts_ms=5000)
    assert await paused_by(engine) == {"by": "ada", "reason": "deploy", "at": engine.now, "until": engine.now + 5000}
    engine.clock.advance(4.999)
    assert await engine.ids_claimed() == []
    engine.clock.advance(0.001)
    assert await paused_by(engine) is None
    assert await engine.ids_claimed() == [1]


async def test_the_pause_of_a_queue_is_over_by_itself_too(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.pause(lasts_ms=1000)
    assert await engine.ids_claimed() == []
    engine.clock.advance(1)
    assert await engine.ids_claimed() == [1]


async def test_who_waits_is_told_when_the_pause_ends(engine: Engine) -> None:
    await engine.enqueue("email", "push")
    await engine.pause("email", lasts_ms=700)
    await engine.pause("push")
    assert await engine.due_in_ms("push") is None
    assert await engine.due_in_ms("email") == 700
    await engine.pause(lasts_ms=900)
    assert await engine.due_in_ms("email") == 900
    engine.clock.advance(0.9)
    assert await engine.ids_claimed() == [1]


async def test_a_pause_that_is_over_is_none_to_resume(engine: Engine) -> None:
    await engine.pause("email", lasts_ms=1000)
    engine.clock.advance(1)
    assert not await engine.resume("email")
    assert await engine.command("HGET", engine.key("types"), "email") == b""
    assert await engine.pause("email", lasts_ms=1000)


async def test_another_pause_takes_the_place_of_the_end(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.pause("email", lasts_ms=1000)
    assert not await engine.pause("email")
    engine.clock.advance(5)
    assert await engine.ids_claimed() == []
