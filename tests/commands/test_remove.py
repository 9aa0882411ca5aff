"""Remove: nothing of a job is left."""

from tests.commands.engine import Engine, new, word


async def test_every_key_forgets_the_job(engine: Engine) -> None:
    await engine.enqueue("email", "email")
    keys = sorted(await engine.dump())
    one = await engine.claim_one()
    await engine.watch(1)
    await engine.report(word(one, "log", b"a"), word(one, "progress", b"1 "))
    await engine.fail(one, retry_ms=0)
    await engine.act("cancel", 1)
    assert await engine.act("remove", 1) == [""]
    left = {
        key: value
        for key, value in (await engine.dump()).items()
        if not key.endswith((b":events", b":inbox:me")) and b":once" not in key
    }
    assert "a1" not in repr(left).replace(engine.space.queue, "")  # its name may have an a1 of its own
    assert b":log:a1" not in b" ".join(left)
    gone = {key for key in keys if key not in left}
    assert gone <= {engine.key("events"), engine.key("once:p"), engine.key("email:wake")}


async def test_every_state_but_active_can_be_removed(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 4, new(due=b"+1000"))
    first, second, _ = await engine.claim(most=3)
    await engine.complete(first)
    await engine.fail(second)
    assert await engine.act("remove", 1, 2, 3, 4, 5, 6) == ["", "", "active", "", "", "missing"]
    assert await engine.counts() == {"active": 1}
    await engine.act("cancel", 3)
    assert await engine.act("remove", 3) == [""]
    assert await engine.counts() == {}


async def test_an_id_is_never_given_twice(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.act("remove", 1)
    assert await engine.enqueue("email") == [2]


async def test_a_repeat_gives_the_same_answer(engine: Engine) -> None:
    await engine.enqueue("email")
    assert await engine.act("remove", 1, 2) == ["", "missing"]
    assert await engine.repeat() == ["", "missing"]
    assert await engine.resend() == ["", "missing"]
    assert await engine.act("remove", 1) == ["missing"]
