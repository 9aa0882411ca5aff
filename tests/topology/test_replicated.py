"""Durability `replicated`: an acknowledged job is held by so many replicas; what is not confirmed in time is said to be so."""

import asyncio
import contextlib
import time

import pytest

import barq
from tests.support import Server, until
from tests.topology.replicas import ReplicaSet, calls_of, follow, freeze, frozen, info, offset, tell
from tests.wire.proxy import Proxy


def ids_in(server: Server, name: str) -> set[int]:
    """The jobs that a server knows."""
    members = tell(server, "HKEYS", f"barq:{{{name}}}:job")
    assert isinstance(members, list)
    return {int(str(member)[1:]) for member in members}


def promote_the_best(replica_set: ReplicaSet) -> Server:
    """What a failover does: the replica that is furthest becomes the primary."""
    best = max(replica_set.replicas, key=offset)
    tell(best, "REPLICAOF", "NO", "ONE")
    return best


@pytest.mark.parametrize(("level", "survives"), [("local", False), (barq.replicated(1), True)])
async def test_what_was_acknowledged_survives_the_primary_when_a_replica_holds_it(
    replica_set: ReplicaSet, proxy: Proxy, name: str, level: str | barq.Durability, survives: bool
) -> None:
    """The primary can't reach its replicas for a moment; then it dies."""
    await follow(replica_set.replicas, proxy.port)
    async with barq.Queue(name, url=replica_set.url, durability=level, timeout=1) as queue:
        acknowledged = {(await queue.enqueue("email")).id}
        proxy.mute = True
        for _ in range(2):
            with contextlib.suppress(barq.NotConfirmed):
                acknowledged.add((await queue.enqueue("email")).id)
        replica_set.primary.kill()
    held = ids_in(promote_the_best(replica_set), name)
    await asyncio.to_thread(replica_set.stop)  # or they would go on knocking at the proxy
    assert (acknowledged <= held) is survives


async def test_a_load_loses_nothing_acknowledged_when_the_primary_is_killed_in_the_middle(
    replica_set: ReplicaSet, name: str
) -> None:
    acknowledged: set[int] = set()
    async with barq.Queue(name, url=replica_set.url, durability="replicated", timeout=1) as queue:

        async def produce() -> None:
            while True:
                try:
                    acknowledged.add((await queue.enqueue("email", "x" * 1000)).id)
                except (barq.ServerUnreachable, barq.NotConfirmed):
                    return

        producing = asyncio.gather(*(produce() for _ in range(50)))

        async def enough() -> bool:
            return len(acknowledged) >= 2000

        await until(enough, "2000 are acknowledged")
        replica_set.primary.kill()
        await producing
    assert acknowledged <= ids_in(promote_the_best(replica_set), name)


async def test_too_few_replicas_are_said_with_their_number_and_the_job_is_stored(
    replica_set: ReplicaSet, name: str
) -> None:
    async with barq.Queue(name, url=replica_set.url, durability=barq.replicated(2), timeout=1) as queue:
        await queue.enqueue("email", 1)
        with frozen(replica_set.replicas[0]):
            start = time.monotonic()
            with pytest.raises(barq.NotConfirmed, match="only 1 of 2 replicas said that they hold it"):
                await queue.enqueue("email", 2, token="order 5")
            assert 0.9 < time.monotonic() - start < 2.5
            assert (await queue.counts())["waiting"] == 2
        assert (await queue.enqueue("email", 2, token="order 5")).id == 2
        assert (await queue.counts())["waiting"] == 2


async def test_without_a_time_limit_the_replicas_are_waited_for(replica_set: ReplicaSet, name: str) -> None:
    async with barq.Queue(name, url=replica_set.url, durability="replicated", timeout=None) as queue:
        await queue.ping()
        with frozen(*replica_set.replicas):
            enqueue = asyncio.create_task(queue.enqueue("email"))
            done, _ = await asyncio.wait([enqueue], timeout=2.5)  # longer than one WAIT
            assert not done
        assert (await enqueue).id == 1


async def test_a_repeat_whose_first_answer_was_lost_is_not_taken_for_replicated(
    replica_set: ReplicaSet, proxy: Proxy, name: str
) -> None:
    """The repeat stores nothing, over a connection that wrote nothing yet: its WAIT must count all the same."""
    async with barq.Queue(name, url=proxy.url, durability="replicated", timeout=1.5) as queue:
        await queue.enqueue("email")
        with frozen(*replica_set.replicas):
            async with proxy.losing_answers():
                enqueue = asyncio.create_task(queue.enqueue("email"))
                await proxy.dropped()
            with pytest.raises(barq.NotConfirmed):
                await enqueue
        assert (await queue.counts())["waiting"] == 2


@pytest.mark.parametrize("verb", ["cancel", "promote"])
async def test_a_repeated_act_is_not_taken_for_replicated_either(
    replica_set: ReplicaSet, proxy: Proxy, name: str, verb: str
) -> None:
    async with barq.Queue(name, url=proxy.url, durability="replicated", timeout=1.5) as queue:
        job = await queue.enqueue("email", delay=60)
        with frozen(*replica_set.replicas):
            async with proxy.losing_answers():
                act = asyncio.create_task(getattr(queue, verb)(job.id))
                await proxy.dropped()
            with pytest.raises(barq.NotConfirmed):
                await act
        assert (await job.refresh()).state == {"cancel": "cancelled", "promote": "waiting"}[verb]


async def test_one_job_may_ask_for_more_than_its_queue(replica_set: ReplicaSet, name: str) -> None:
    async with barq.Queue(name, url=replica_set.url, timeout=1) as queue:

        @queue.task(durability=barq.replicated(2))
        async def charge(amount: int) -> None: ...

        with frozen(*replica_set.replicas):
            await queue.enqueue("email")
            with pytest.raises(barq.NotConfirmed, match="0 of 1"):
                await queue.enqueue("email", durability="replicated")
            with pytest.raises(barq.NotConfirmed, match="0 of 2"):
                await charge.enqueue(5)
            await charge.using(durability="local").enqueue(6)
            with pytest.raises(barq.NotConfirmed):
                await queue.enqueue_many("email", [1, 2, 3], durability="replicated")
        assert (await queue.counts())["waiting"] == 7
        assert len(await queue.enqueue_many("email", range(1000), durability=barq.replicated(2))) == 1000


async def test_jobs_enqueued_together_wait_together(replica_set: ReplicaSet, name: str) -> None:
    async with barq.Queue(name, url=replica_set.url, durability="replicated") as queue:
        jobs = await asyncio.gather(*(queue.enqueue("email", n) for n in range(2000)))
        assert sorted(job.id for job in jobs) == list(range(1, 2001))
        assert calls_of(replica_set.primary, "wait") <= 20


async def test_a_queue_that_asks_for_nothing_pays_nothing(replica_set: ReplicaSet, name: str) -> None:
    clients = int(info(replica_set.primary)["connected_clients"])
    async with barq.Queue(name, url=replica_set.url) as queue:
        job = await queue.enqueue("email")
        await queue.cancel(job.id)
        assert int(info(replica_set.primary)["connected_clients"]) == clients + 1
    assert calls_of(replica_set.primary, "wait") == 0


async def test_others_do_not_wait_behind_a_job_that_waits(replica_set: ReplicaSet, name: str) -> None:
    async with barq.Queue(name, url=replica_set.url, timeout=1.5) as queue:
        first = await queue.enqueue("email", durability="replicated")
        for replica in replica_set.replicas:
            freeze(replica)
        slow = asyncio.create_task(queue.enqueue("email", durability="replicated"))

        async def stored() -> bool:
            return (await queue.counts())["waiting"] == 2

        await until(stored, "the slow one is stored")
        start = time.monotonic()
        await queue.enqueue("email")
        await queue.get(first.id)
        assert time.monotonic() - start < 0.5
        with pytest.raises(barq.NotConfirmed):
            await slow


async def test_a_user_that_may_not_wait_is_told_before_anything_is_stored(replica_set: ReplicaSet, name: str) -> None:
    tell(replica_set.primary, "ACL", "SETUSER", "ada", "on", ">pw", "~*", "+@all", "-wait")
    url = replica_set.url.replace("//", "//ada:pw@")
    async with barq.Queue(name, url=url, durability="replicated") as queue:
        with pytest.raises(barq.PermissionDenied, match=r"durability 'replicated\(1\)' can't be kept .*wait"):
            await queue.enqueue("email")
        assert await queue.counts() == dict.fromkeys(await queue.counts(), 0)


async def test_a_primary_that_becomes_a_replica_while_it_is_waited_for_is_no_confirmation(
    replica_set: ReplicaSet, name: str
) -> None:
    async with barq.Queue(name, url=replica_set.url, durability=barq.replicated(2), timeout=8) as queue:
        await queue.enqueue("email")
        with frozen(replica_set.replicas[0]):
            enqueue = asyncio.create_task(queue.enqueue("email"))

            async def waits() -> bool:
                return "cmd=wait" in str(tell(replica_set.primary, "CLIENT", "LIST"))

            await until(waits, "its WAIT has begun")
            tell(replica_set.primary, "REPLICAOF", "127.0.0.1", str(replica_set.replicas[1].port))
            done, _ = await asyncio.wait([enqueue], timeout=1.5)
            assert not done
            tell(replica_set.primary, "REPLICAOF", "NO", "ONE")
        for replica in replica_set.replicas:
            tell(replica, "REPLICAOF", "127.0.0.1", str(replica_set.primary.port))
        assert (await enqueue).id > 0
