"""Enqueue: what the script stores, and that repeating it stores nothing."""

import pytest

import barq
from barq.errors import QueueFull
from barq.protocol.call import Space
from barq.store.store import Store
from barq.store.target import target_of_url
from tests.commands.engine import Engine, ending, new
from tests.support import Server


async def test_ids_grow_by_one_over_all_types(queue: barq.Queue) -> None:
    jobs = [await queue.enqueue(type_) for type_ in ("email", "push", "email")]
    assert [job.id for job in jobs] == [1, 2, 3]


async def test_a_batch_gets_ids_in_its_order(engine: Engine) -> None:
    assert await engine.enqueue("email", "push", "email") == [1, 2, 3]
    assert await engine.line("waiting", "email") == [1, 3]
    assert await engine.line("waiting", "push") == [2]


async def test_a_repeat_gives_the_same_ids(engine: Engine) -> None:
    ids = await engine.enqueue("email", "push")
    assert await engine.repeat() == ids
    assert await engine.counts("email") == {"waiting": 1}


async def test_a_repeat_with_tokens_gives_the_same_ids(engine: Engine) -> None:
    await engine.enqueue(new(token="a"))
    ids = await engine.enqueue("email", new(token="a"), new(token="b"), new(token="b"))
    assert ids == [2, 1, 3, 3]
    assert await engine.repeat() == ids


async def test_another_batch_of_the_same_producer_is_new(engine: Engine) -> None:
    assert await engine.enqueue("email") == [1]
    assert await engine.enqueue("email") == [2]


async def test_the_same_batch_number_of_another_producer_is_new(engine: Engine) -> None:
    call = engine.enqueue_call("email", producer=b"p1")
    await engine.send(call)
    other = tuple(b"p2" if argument == b"p1" else argument for argument in call.args)
    assert await engine.send(type(call)(call.script, call.prefix, other, call.decode)) == [2]


async def test_a_token_twice_in_one_batch_is_one_job(engine: Engine) -> None:
    assert await engine.enqueue(new(token="t"), "email", new(token="t")) == [1, 2, 1]
    assert await engine.counts() == {"waiting": 2}


async def test_a_token_over_batches_is_one_job(engine: Engine) -> None:
    await engine.enqueue(new(token="t"))
    assert await engine.enqueue("email", new(token="t"), "email") == [2, 1, 3]


async def test_a_token_holds_after_the_job_has_ended(engine: Engine) -> None:
    await engine.enqueue(new(token="t"))
    await engine.complete(await engine.claim_one())
    assert await engine.enqueue(new(token="t")) == [1]
    assert await engine.counts() == {"completed": 1}


async def test_a_batch_of_known_tokens_only_stores_nothing(engine: Engine) -> None:
    await engine.enqueue(new(token="t"))
    assert await engine.enqueue(new(token="t")) == [1]
    assert await engine.enqueue("email") == [2]
    assert await engine.events() == [("enqueue", 1), ("enqueue", 2)]


async def test_delayed_jobs_wait_in_the_order_of_their_times(engine: Engine) -> None:
    await engine.enqueue(new(due=b"+3000"), new(due=b"%d" % (engine.now + 1000)), new(due=b"+2000"))
    assert await engine.line("delayed") == [2, 3, 1]
    assert (await engine.job(1)).status.score == engine.now + 3000


async def test_a_time_that_has_passed_waits_at_once(engine: Engine) -> None:
    await engine.enqueue(new(due=b"%d" % engine.now), new(due=b"+0"), new(due=b"5"))
    assert await engine.counts() == {"waiting": 3}


async def test_the_record_is_kept_byte_for_byte(engine: Engine) -> None:
    payload = bytes(range(256)) * 4
    await engine.enqueue(new(payload=payload), new(payload=b""), new(payload=b"\n\t\r\n"))
    assert [one.record.payload for one in await engine.fetch(1, 2, 3)] == [payload, b"", b"\n\t\r\n"]
    assert [one.record.split(b"\n", 1)[1] for one in await engine.claim()] == [payload, b"", b"\n\t\r\n"]


async def test_the_record_says_when_it_was_created(engine: Engine) -> None:
    await engine.enqueue("email")
    assert (await engine.job(1)).record.created_ms == engine.now


async def test_an_enqueue_sets_the_marker(engine: Engine) -> None:
    await engine.enqueue("email")
    assert await engine.marked("email")
    assert not await engine.marked("push")


async def test_a_delayed_enqueue_sets_the_marker_so_that_workers_learn_the_time(engine: Engine) -> None:
    await engine.enqueue(new(due=b"+1000"))
    assert await engine.marked()


async def test_watched_jobs_tell_from_the_enqueue_on(engine: Engine) -> None:
    await engine.enqueue("email", new(watch=True), new(watch=True, token="t"), inbox=b"box")
    assert await engine.events("box") == [("enqueue", 2), ("enqueue", 3)]


async def test_small_collections_are_kept_as_tables(engine: Engine) -> None:
    await engine.enqueue("email")
    for name in ("run", "end"):
        assert await engine.command("OBJECT", "ENCODING", engine.key(name)) == b"hashtable"
    assert await engine.command("OBJECT", "ENCODING", engine.key("email:active")) == b"skiplist"


async def test_without_memory_it_is_refused_and_nothing_is_written(own_server: Server, clock: barq.ManualClock) -> None:
    store = Store(target_of_url(own_server.url), clock, timeout=5.0)
    engine = Engine(store, Space(queue="full"), clock)
    try:
        await engine.enqueue("email", "email", "email")
        await engine.fail(await engine.claim_one())
        first = await engine.claim_one()
        await engine.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        await engine.command("CONFIG", "SET", "maxmemory", "1mb")
        before = await engine.dump()
        with pytest.raises(QueueFull):
            await engine.enqueue("email")
        with pytest.raises(QueueFull):
            await engine.act("retry", 1)
        assert await engine.dump() == before
        # what ends work goes on
        assert await engine.extend(first) == []
        second = await engine.claim_one()
        assert await engine.settle(ending(first, "complete"), ending(second, "fail", retry_ms=0)) == []
        assert await engine.counts() == {"completed": 1, "failed": 1, "delayed": 1}
        await engine.command("CONFIG", "SET", "maxmemory", "0")
        assert await engine.repeat() == []
        assert await engine.enqueue("email") == [4]
    finally:
        await store.close()
