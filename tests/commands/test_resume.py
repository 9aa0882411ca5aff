"""Resume: the end of a pause. See test_pause.py for what both share."""

from tests.commands.engine import Engine


async def test_what_waited_is_handed_out_in_its_order(engine: Engine) -> None:
    await engine.pause("email")
    await engine.enqueue("email", "email")
    await engine.resume("email")
    assert await engine.ids_claimed() == [1, 2]


async def test_the_resume_of_one_type_leaves_the_others_paused(engine: Engine) -> None:
    await engine.pause("email")
    await engine.pause("push")
    await engine.enqueue("email", "push")
    await engine.resume("email")
    assert await engine.ids_claimed(["email", "push"]) == [1]


async def test_pause_and_resume_tell_no_event(engine: Engine) -> None:
    await engine.pause("email")
    await engine.resume("email")
    assert await engine.events() == []
