"""Limits in the enqueue script: what is refused, that repeats are answered the same, and what it costs who has none."""

import pytest
from msgspec.structs import replace

import barq
from barq.options import limits
from barq.protocol import acts, calls, finding, reads, retention, streams
from barq.protocol.call import Space
from barq.protocol.calls import MEMORY_FULL, TYPE_FULL
from barq.protocol.finding import Find, Part, Window
from barq.protocol.scripts import command_names, script
from barq.query import parse
from barq.record import member
from barq.store.store import Store
from barq.store.target import target_of_url
from barq.sums import Sums
from tests.commands.engine import Engine, ending, new, word
from tests.support import Server


@pytest.fixture
def narrow(engine: Engine) -> Engine:
    """At most three jobs of a type wait."""
    engine.space = replace(engine.space, limits=limits(3, None))
    return engine


async def test_jobs_are_taken_in_order_as_long_as_there_is_room(narrow: Engine) -> None:
    assert await narrow.enqueue(*["email"] * 2, "push", *["email"] * 2) == [1, 2, 3, 4, TYPE_FULL]
    assert await narrow.enqueue("email", "push") == [TYPE_FULL, 5]
    assert await narrow.counts() == {"waiting": 3}


async def test_delayed_jobs_take_room_and_running_ones_none(narrow: Engine) -> None:
    assert await narrow.enqueue(new(due=b"+1000"), "email", "email", "email") == [1, 2, 3, TYPE_FULL]
    await narrow.claim_one()
    assert await narrow.enqueue("email", "email") == [4, TYPE_FULL]


async def test_a_limit_may_be_one_types_own(engine: Engine) -> None:
    engine.space = replace(engine.space, limits=limits({"email": 1, '{"}🐘': 2}, None))
    assert await engine.enqueue(*["email"] * 2, *["push"] * 9, *['{"}🐘'] * 3)
    assert await engine.counts("email") == {"waiting": 1}
    assert await engine.counts("push") == {"waiting": 9}
    assert await engine.counts('{"}🐘') == {"waiting": 2}


async def test_a_refused_enqueue_moves_nothing_and_takes_no_id(narrow: Engine) -> None:
    await narrow.enqueue(*["email"] * 3)
    before = await narrow.dump()
    assert await narrow.enqueue("email", "email") == [TYPE_FULL, TYPE_FULL]
    after = await narrow.dump()
    assert {key: held for key, held in after.items() if b":once" not in key} == {
        key: held for key, held in before.items() if b":once" not in key
    }


async def test_a_repeat_is_answered_as_the_first_time_although_there_is_room_now(narrow: Engine) -> None:
    first = await narrow.enqueue(*["email"] * 5)
    assert first == [1, 2, 3, TYPE_FULL, TYPE_FULL]
    call = narrow.last
    for _ in range(3):
        assert await narrow.complete(await narrow.claim_one()) == []
    assert await narrow.store.send(call.again()) == first
    assert await narrow.counts() == {"completed": 3}


async def test_a_token_that_is_known_is_answered_by_a_full_queue(narrow: Engine) -> None:
    await narrow.enqueue(new(token="t"), "email", "email")
    assert await narrow.enqueue(new(token="t"), new(token="u"), new(token="u")) == [1, TYPE_FULL, TYPE_FULL]
    await narrow.claim(most=2)
    assert await narrow.enqueue(new(token="u"), new(token="u")) == [4, 4]


async def test_above_the_memory_mark_nothing_is_taken_but_known_tokens(engine: Engine) -> None:
    await engine.enqueue(new(token="t"))
    engine.space = replace(engine.space, limits=limits(None, 1))
    assert await engine.enqueue("email", new(token="t"), "push") == [MEMORY_FULL, 1, MEMORY_FULL]
    engine.space = replace(engine.space, limits=limits(None, 2**50))
    assert await engine.enqueue("email", "push") == [2, 3]


async def test_what_has_been_taken_goes_on_above_all_limits(narrow: Engine) -> None:
    await narrow.enqueue(*["email"] * 3)
    first, second, third = await narrow.claim(most=3)
    await narrow.enqueue(*["email"] * 3)
    assert await narrow.release(first) == []
    assert await narrow.fail(second, retry_ms=500) == []
    assert await narrow.complete(third) == []
    assert await narrow.act("retry", 3) == [""]
    assert await narrow.counts() == {"waiting": 5, "delayed": 1}
    assert await narrow.enqueue("email") == [TYPE_FULL]


async def commands_of(engine: Engine, *jobs: str) -> int:
    """How many commands the server ran for one enqueue, those in the script included."""
    await engine.command("CONFIG", "RESETSTAT")
    await engine.enqueue(*jobs)
    stats = (await engine.command("INFO", "commandstats")).decode()
    return sum(int(line.split("calls=")[1].split(",")[0]) for line in stats.splitlines() if "calls=" in line) - 1


async def test_who_has_no_limits_pays_nothing(own_server: Server, clock: barq.ManualClock) -> None:
    store = Store(target_of_url(own_server.url), clock, timeout=5.0)
    engine = Engine(store, Space(queue="costs"), clock)
    try:
        await engine.enqueue("email")
        # EVALSHA, HMGET types, INCRBY, HSET job, ZADD waiting, ZADD wake, SET once, INCR, XADD
        assert await commands_of(engine, *["email"] * 9) == 9
        engine.space = replace(engine.space, limits=limits(100, None))
        assert await commands_of(engine, *["email"] * 9) == 11  # two ZCARD for each type
        engine.space = replace(engine.space, limits=limits(None, 2**50))
        assert await commands_of(engine, *["email"] * 9) == 10  # INFO
    finally:
        await store.close()


ADDS_WORK = {"enqueue", "retry", "edit"}
"""Scripts that a full server refuses; all others end work, or read."""


async def test_with_no_memory_left_only_scripts_that_add_work_are_refused(
    own_server: Server, clock: barq.ManualClock
) -> None:
    """Every script is sent to a server over its maxmemory (noeviction)."""
    store = Store(target_of_url(own_server.url), clock, timeout=5.0)
    engine = Engine(store, Space(queue="full"), clock)
    space, now = engine.space, engine.now
    try:
        await engine.enqueue(*["email"] * 5, new(due=b"+5000"))
        await engine.complete(await engine.claim_one())
        held = await engine.claim_one()
        turned = await engine.claim_one()
        await engine.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        await engine.command("CONFIG", "SET", "maxmemory", "1")
        sent = {
            "enqueue": engine.enqueue_call("email"),
            "retry": acts.act(space, "retry", [1], now_ms=now),
            "extend": calls.extend(space, [held.holding], now_ms=now, lease_ms=1000),
            "report": calls.report(space, [word(held, "progress", b"5 "), word(held, "log", b"x")], now_ms=now),
            "keep": calls.keep(space, member(held.id), held.token, "a", b"1", now_ms=now),
            "recall": calls.recall(space, member(held.id), held.token, "a"),
            "beat": calls.beat(space, "w1", b"{}", now_ms=now, lives_ms=1000),
            "settle": calls.settle(space, [ending(held, "complete")], now_ms=now),
            "turn": calls.turn(
                space,
                [ending(turned, "fail", b"{}\n", retry_ms=5)],
                [("email", 1)],
                now_ms=now,
                worker="w1",
                nonce="n",
                lease_ms=1000,
                most=1,
            ),
            "claim": engine.claim_call(),
            "promote": acts.act(space, "promote", [6], now_ms=now),
            "cancel": acts.act(space, "cancel", [6], now_ms=now),
            "remove": acts.act(space, "remove", [6], now_ms=now),
            "watch": streams.watch(space, [5], now_ms=now, inbox="me", watch_ms=1000),
            "pause": acts.pause(space, "email", now_ms=now, by="", reason=""),
            "resume": acts.resume(space, "email", now_ms=now),
            "prune": retention.prune(space, "email", now_ms=now),
            "measure": retention.measure(space, "email", barq.State.COMPLETED, None),
            "evict": retention.evict(space, "email", barq.State.COMPLETED, until_ms=1, bytes=1, now_ms=now),
            "trim": retention.trim(space, 1, now_ms=now),
            "partitions": calls.partitions(space, 1),
            "fetch": reads.fetch(space, [1]),
            "counts": reads.counts(space, ["email"]),
            "page": reads.page(space, "email", barq.State.COMPLETED, newest_first=True, after=None, most=5),
            "workers": reads.workers(space, now_ms=now),
            "edit": acts.edit(space, 5, now_ms=now, by="", priority=None, data=b"1", retry=False),
            "order": acts.order(space, "w1", "drain", now_ms=now, by=""),
            "audit": acts.write_down(space, "ada", "clone", 1, 2, now_ms=now),
            "tally": calls.tally(space, "w1", {"email": Sums([1, 0, 0])}, now_ms=now, name="n"),
            "stats": reads.stats(space, ["email"], now_ms=now),
            "history": reads.history(space, "", span="minute", seconds=60, count=2, now_ms=now),
            "explain": reads.explain(space, 5, now_ms=now),
            "failures": reads.failures(space, "email", skip=0, most=9),
            "find": finding.find(space, Find(parse("age<1h"), Part("ids", ids=(1,)), "ids", b"", 9, 9, now, Window())),
            "gauge": finding.gauge(space, parse("ada").words),
            "dated": finding.window(space, parse("age<1h").age, now_ms=now),
        }
        assert sent.keys() == set(command_names()), "every script has its call in this test"
        assert {name for name in sent if script(name).flags == "deny-oom"} == ADDS_WORK
        for name, call in sent.items():
            before = await engine.dump()
            if name in ADDS_WORK:
                with pytest.raises(barq.QueueFull):
                    await engine.send(call)
                assert await engine.dump() == before, name
            else:
                await engine.send(call)
                if script(name).writes and name not in ("prune", "extend", "partitions"):
                    assert await engine.dump() != before, name
        assert await engine.extend(turned) == [turned.id]
    finally:
        await store.close()
