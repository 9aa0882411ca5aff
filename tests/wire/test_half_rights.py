"""A right that is missing for one command of a script: the script is refused before it begins, for none of it is taken back."""

import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import barq
from barq import rights
from barq.protocol import acts, calls
from barq.protocol.call import Call, Space
from barq.store.store import Store
from barq.store.target import target_of_url
from tests.commands.engine import LEASE_MS, Engine, Held, ending, new, word
from tests.support import Server


class Half:
    """Somebody with a connection of its own, whose rights are changed by somebody else."""

    def __init__(self, boss: Engine, server: Server) -> None:
        self.boss = boss
        self.user = f"user-{boss.space.queue}"
        self._password = secrets.token_hex(8)
        self._url = server.url.replace("//", f"//{self.user}:{self._password}@")
        self.store: Store

    async def acl(self, *words: str) -> None:
        await self.boss.command("ACL", "SETUSER", self.user, *words)

    async def connect(self, *words: str) -> None:
        """With all rights but these."""
        await self.acl("reset", "on", f">{self._password}", f"~{self.boss.space.prefix.decode()}*", "+@all", *words)
        self.store = Store(target_of_url(self._url), self.boss.clock, timeout=5.0)


@pytest.fixture
async def half(server: Server, name: str, clock: barq.ManualClock) -> AsyncIterator[Half]:
    store = Store(target_of_url(server.url), clock, timeout=5.0)
    made = Half(Engine(store, Space(name), clock), server)
    yield made
    await made.boss.command("ACL", "DELUSER", made.user)
    await store.close()


async def prepared(boss: Engine) -> list[Held]:
    await boss.enqueue(*["email"] * 6)
    held = await boss.claim(most=3)
    await boss.act("cancel", 6)
    return held


Make = Callable[[Engine, list[Held]], Call[Any]]
CALLS: dict[str, Make] = {
    "enqueue": lambda boss, _: boss.enqueue_call(new(token="t"), new(due=b"+1000", watch=True), new("fresh")),
    "claim": lambda boss, _: boss.claim_call(most=2),
    "rescue": lambda boss, _: (boss.clock.advance(LEASE_MS / 1000 + 1), boss.claim_call(most=2))[1],
    "settle": lambda boss, held: calls.settle(
        boss.space,
        [ending(held[0], "complete", b"1"), ending(held[1], "fail", b'{"type":"E"}\n'), ending(held[2], "release")],
        now_ms=boss.now,
    ),
    "turn": lambda boss, held: calls.turn(
        boss.space,
        [ending(held[0], "complete", b"1")],
        [("email", 1)],
        now_ms=boss.now,
        worker="w1",
        nonce="turn",
        lease_ms=LEASE_MS,
        most=1,
    ),
    "extend": lambda boss, held: calls.extend(boss.space, [held[0].holding], now_ms=boss.now, lease_ms=2 * LEASE_MS),
    "report": lambda boss, held: calls.report(
        boss.space, [word(held[0], "log", b"x"), word(held[0], "progress", b"5 ")], now_ms=boss.now
    ),
    "cancel": lambda boss, _: acts.act(boss.space, "cancel", [4], now_ms=boss.now, by="ada"),
    "retry": lambda boss, _: acts.act(boss.space, "retry", [6], now_ms=boss.now),
    "remove": lambda boss, _: acts.act(boss.space, "remove", [4], now_ms=boss.now),
}


ASKED_WHERE_NOTHING_MOVES = {"time", "info", "memory|usage"}
"""Before the first write; the last for the bytes of a log."""


@pytest.mark.parametrize("what", CALLS)
async def test_a_script_is_refused_whole_when_one_of_its_commands_is_not_allowed(half: Half, what: str) -> None:
    boss = half.boss
    held = await prepared(boss)
    call = CALLS[what](boss, held)
    assert call.script is not None
    before = await boss.dump()
    needed = sorted(rights.commands_of(call.script.name) - ASKED_WHERE_NOTHING_MOVES)
    assert len(needed) > 1
    for denied in needed:
        await half.connect(f"-{denied}")
        with pytest.raises(barq.PermissionDenied, match=rf"'{denied}' command.*allow it with \+{denied}; `barq acl"):
            await half.store.send(call)
        assert await boss.dump() == before, denied
        if denied == needed[-1]:  # and once it is given, on the same connection, all goes on
            await half.acl(f"+{denied}")
            await half.store.send(call)
            assert await boss.dump() != before
            ids = [int(id[1:]) for id in await boss.command("HKEYS", boss.key("job"))]
            await boss.assert_conserved(ids, "email", "fresh")
        await half.store.close()


async def test_a_right_that_is_taken_away_from_a_living_connection_is_noticed_with_the_first_refusal(
    half: Half,
) -> None:
    """What was under way may have broken off; nothing is begun after it, and a token stands for a job that is in line."""
    boss = half.boss
    await prepared(boss)
    await half.connect()
    await half.store.send(boss.enqueue_call("email"))
    await half.acl("-zadd")
    again = boss.enqueue_call(new(token="order 7"))
    with pytest.raises(barq.PermissionDenied):
        await half.store.send(again)
    broken_off = await boss.dump()
    for make in (CALLS["claim"], CALLS["enqueue"]):
        with pytest.raises(barq.PermissionDenied, match="would refuse"):
            await half.store.send(make(boss, []))
    assert await boss.dump() == broken_off
    await half.acl("+zadd")
    (id,) = await half.store.send(boss.enqueue_call(new(token="order 7")))
    assert await boss.state(id) == "waiting"
    await half.store.close()


async def test_who_may_only_read_is_refused_by_the_server_itself(half: Half) -> None:
    await prepared(half.boss)
    await half.connect("-@all", *(f"+{one}" for one in rights.commands("viewer")))
    with pytest.raises(barq.PermissionDenied, match=r"'eval' command: allow it with \+eval"):
        await half.store.send(half.boss.enqueue_call("email"))
    await half.store.close()
