"""What all scripts have in common on a server: their keys, their plain variants, and that the server may forget them."""

import secrets
from typing import Any

import pytest

import barq
from barq.protocol.call import Call, Space
from barq.states import EVENT_NAMES
from barq.store.connect import Server as Told
from barq.store.store import Store
from barq.store.target import target_of_url
from tests.commands.engine import Engine
from tests.commands.life import live, told
from tests.support import Server


async def test_the_story_of_these_tests_has_every_event_in_it(engine: Engine) -> None:
    await live(engine)
    assert await told(engine) == set(EVENT_NAMES)


async def test_no_script_touches_a_key_outside_of_its_queue(
    server: Server, store: Store, name: str, clock: barq.ManualClock
) -> None:
    user, word = f"user-{name}", secrets.token_hex(8)
    master = Engine(store, Space(queue=name), clock)
    await master.command("ACL", "SETUSER", user, "on", f">{word}", f"~barq:{{{name}}}:*", "+@all")
    bounded = Store(target_of_url(server.url.replace("//", f"//{user}:{word}@")), clock, timeout=5.0)
    try:
        engine = Engine(bounded, Space(queue=name), clock)
        with pytest.raises(barq.errors.ServerError):
            await engine.command("GET", "barq:{other}:seq")
        await live(engine)
        assert await told(engine) == set(EVENT_NAMES)
    finally:
        await bounded.close()
        await master.command("ACL", "DELUSER", user)


class Forgetful(Store):
    """A store whose server has forgotten all scripts whenever a call arrives."""

    async def send(self, call: Call[Any], **options: Any) -> Any:
        if call.script is not None:
            await super().send(Call(None, call.prefix, (b"SCRIPT", b"FLUSH", b"SYNC"), bytes))
        return await super().send(call, **options)


async def test_the_server_may_forget_the_scripts_between_any_two_calls(own_server: Server, name: str) -> None:
    clock = barq.ManualClock()
    store = Forgetful(target_of_url(own_server.url), clock, timeout=5.0)
    try:
        engine = Engine(store, Space(queue=name), clock)
        await live(engine)
        assert await told(engine) == set(EVENT_NAMES)
    finally:
        await store.close()


async def test_the_plain_scripts_give_the_same_answers_and_leave_the_same_keys(
    server: Server, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> tuple[object, object]:
        clock = barq.ManualClock()
        store = Store(target_of_url(server.url), clock, timeout=5.0)
        try:
            engine = Engine(store, Space(queue=name), clock)
            answers = await live(engine)
            left = {key: held for key, held in (await engine.dump()).items() if not key.endswith(b":inbox:x")}
            await engine.command("DEL", *await engine.command("KEYS", engine.space.prefix + b"*"))
            # calls are named at random, and an inbox is numbered by the server's own clock
            return answers, {key: held for key, held in left.items() if b":once" not in key and b":inbox:" not in key}
        finally:
            await store.close()

    modern = await story()
    monkeypatch.setattr(Told, "takes_shebang", False)
    plain = await story()
    assert plain == modern


async def test_every_job_is_in_exactly_one_line(engine: Engine) -> None:
    await live(engine)
    ids = [int(member[1:]) for member in await engine.command("HKEYS", engine.key("job"))]
    assert ids
    await engine.assert_conserved(ids, "email", "push")


NAMES = [
    "{", "}", "{}", "{a}:{b}", "a:b", ":", "a b", "  ", "🐘", "é" * 128, "x" * 256, "%s%d", "[a-z]*?", "\\", "'", '"',
    "job", "run", "end", "note", "seq", "log", "log:a1", "token", "once", "said", "types", "workers", "workers:until",
    "events", "eventseq", "watch", "inbox", "inbox:x", "waiting", "active", "email:waiting", "wake", "_" * 65, "a1",
    "find", "terms", "=a", "^",
]  # fmt: skip


@pytest.mark.parametrize("type", NAMES)
async def test_a_type_may_be_called_anything(engine: Engine, type: str) -> None:
    other = f"y:{type}"[:256]
    await live(engine, email=type, push=other)
    assert await told(engine) == set(EVENT_NAMES)
    ids = [int(member[1:]) for member in await engine.command("HKEYS", engine.key("job"))]
    await engine.assert_conserved(ids, type, other)


@pytest.mark.parametrize("type", ["waiting", "x:waiting", "job", "🐘"])
async def test_types_never_share_a_line(engine: Engine, type: str) -> None:
    await engine.enqueue(type, "x", type)
    assert await engine.ids_claimed("x") == [2]
    assert await engine.ids_claimed(type) == [1, 3]
