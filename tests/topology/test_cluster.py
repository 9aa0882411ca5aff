"""Cluster: a queue lives in one slot; who owns it is found out, and found out again when it has moved."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio.cluster
import redis.cluster

import barq
from barq.store.cluster import slot_of
from tests.support import until
from tests.topology.clusters import NODE_TIMEOUT_MS, ClusterOfSix
from tests.topology.load import Load
from tests.topology.replicas import info, tell

QUEUE: dict[str, Any] = {"timeout": 20, "keep_events": 1_000_000}
LONGEST_GAP = NODE_TIMEOUT_MS / 1000 + 2
CALM = pytest.mark.xdist_group("calm cluster")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterOfSix]:
    running = ClusterOfSix(tmp_path)
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterOfSix]:
    """For tests that kill nobody."""
    running = ClusterOfSix(tmp_path_factory.mktemp("calm"))
    try:
        yield running.start()
    finally:
        running.stop()


async def test_a_killed_owner_is_followed_by_everybody_and_nothing_replicated_is_lost(
    cluster: ClusterOfSix, name: str
) -> None:
    before = cluster.owner(name)
    async with (
        barq.Queue(name, url=cluster.url, durability="replicated", **QUEUE) as queue,
        Load(queue).running() as load,
    ):
        killed_at = time.monotonic()
        before.kill()

        async def promoted() -> bool:
            return await asyncio.to_thread(cluster.has_owner, name)

        await until(promoted, "the replica has become the owner")
        await asyncio.to_thread(before.start)  # its replica, so that a WAIT has somebody to wait for
        await load.more(200)
        assert cluster.owner(name) is not before
        assert any(at > killed_at for at in load.acknowledged.values())
    assert not load.refused


async def test_after_a_kill_jobs_are_taken_again_within_the_node_timeout_and_two_seconds(
    cluster: ClusterOfSix, name: str
) -> None:
    async with barq.Queue(name, url=cluster.url, **QUEUE) as queue, Load(queue).running() as load:
        await asyncio.sleep(0.3)  # its replica has by then what was acknowledged
        await load.pause()
        cluster.owner(name).kill()
        load.go_on()
        await load.more(100)
        assert load.longest_gap() < LONGEST_GAP


@CALM
async def test_a_planned_failover_loses_nothing_at_any_level(calm: ClusterOfSix, name: str) -> None:
    before = calm.owner(name)
    async with barq.Queue(name, url=calm.url, **QUEUE) as queue, Load(queue).running() as load:
        tell(calm.replica_of(before), "CLUSTER", "FAILOVER")
        await load.more(200)
        assert calm.owner(name) is not before
        assert load.longest_gap() < LONGEST_GAP
    assert not load.refused
    assert set(load.heard.values()) == {1}


@CALM
async def test_a_slot_that_moves_while_it_is_used_loses_nothing(calm: ClusterOfSix, name: str) -> None:
    """Key by key: between the first key and the last the queue is in two places, and nobody may write to either."""
    source = calm.owner(name)
    target = next(node for node in calm.nodes if node.is_primary() and node is not source)
    async with barq.Queue(name, url=calm.url, **QUEUE) as queue, Load(queue).running() as load:
        await asyncio.to_thread(calm.move_slot, slot_of(name), source, target)
        await load.more(200)
        assert calm.owner(name) is target
        await asyncio.to_thread(calm.move_slot, slot_of(name), target, source)
        await load.more(100)
        assert load.longest_gap() < LONGEST_GAP
    assert not load.refused
    assert set(load.heard.values()) == {1}
    assert sorted(load.acknowledged) == list(range(1, len(load.acknowledged) + 1))


@CALM
async def test_a_slot_that_moves_at_once_loses_nothing(calm: ClusterOfSix, name: str) -> None:
    source = calm.owner(name)
    if "valkey_version" not in info(source):
        pytest.skip("atomic slot migration is Valkey's")
    target = next(node for node in calm.nodes if node.is_primary() and node is not source)
    slot = str(slot_of(name))
    async with barq.Queue(name, url=calm.url, **QUEUE) as queue, Load(queue).running() as load:
        tell(source, "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", target.id)

        async def moved() -> bool:
            return await asyncio.to_thread(calm.owner, name) is target

        await until(moved, "the slot has moved")
        await load.more(200)
        assert load.longest_gap() < LONGEST_GAP
    assert not load.refused


@CALM
async def test_a_new_node_takes_over_a_queue_in_use(calm: ClusterOfSix, name: str) -> None:
    async with barq.Queue(name, url=calm.url, **QUEUE) as queue, Load(queue).running() as load:
        fresh = await asyncio.to_thread(calm.add)
        await asyncio.to_thread(calm.move_slot, slot_of(name), calm.owner(name), fresh)
        await load.more(100)
        assert calm.owner(name) is fresh
        assert load.longest_gap() < LONGEST_GAP
    assert not load.refused


@CALM
async def test_one_process_works_for_queues_of_several_owners(calm: ClusterOfSix, name: str) -> None:
    names = calm.queues_on_all(name)
    assert len({calm.owner(one).port for one in names}) == 3
    queues = [barq.Queue(one, url=calm.url) for one in names]
    for queue in queues:

        @queue.handler("email")
        async def send(job: barq.Job) -> Any:
            return job.data

    workers = [barq.Worker(queue) for queue in queues]
    running = [asyncio.create_task(worker.run(signals=False)) for worker in workers]
    jobs = [await queue.enqueue("email", number) for number, queue in enumerate(queues * 20)]
    assert await asyncio.gather(*(job.result(20) for job in jobs)) == list(range(60))
    for worker in workers:
        worker.stop()
    await asyncio.wait_for(asyncio.gather(*running), 20)
    for queue in queues:
        await queue.close()


@CALM
async def test_any_node_may_be_named_also_by_a_plain_url(calm: ClusterOfSix, name: str) -> None:
    for number, node in enumerate(calm.nodes, 1):
        async with barq.Queue(name, url=node.url) as queue:
            assert (await queue.enqueue("email")).id == number


@CALM
async def test_clients_of_a_cluster_lend_their_addresses(calm: ClusterOfSix, name: str) -> None:
    port = calm.nodes[0].port
    blocking = redis.cluster.RedisCluster(host="127.0.0.1", port=port)
    async with barq.Queue(name, client=blocking) as queue:
        assert (await queue.enqueue("email")).id == 1
    blocking.close()
    client = redis.asyncio.cluster.RedisCluster(host="127.0.0.1", port=port)
    async with barq.Queue(name, client=client) as queue:
        assert (await queue.enqueue("email")).id == 2
    await client.aclose()
