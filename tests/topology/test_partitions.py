"""Partitions on a cluster: one queue over three owners goes on when one of them dies, is replaced, or is joined by others."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

import barq
from barq.partitioned import PartitionedQueue
from tests.support import until
from tests.topology.clusters import NODE_TIMEOUT_MS, ClusterOfSix
from tests.topology.load import Load
from tests.topology.replicas import offset, tell

PARTS, JOBS = 16, 4000
LONGEST_GAP = NODE_TIMEOUT_MS / 1000 + 2
ALL_HERE = pytest.mark.xdist_group("cluster of partitions")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterOfSix]:
    running = ClusterOfSix(tmp_path_factory.mktemp("cluster"))
    try:
        yield running.start()
    finally:
        running.stop()


def parted(cluster: ClusterOfSix, name: str, **options: Any) -> PartitionedQueue:
    queue = barq.Queue(name, url=cluster.url, partitions=PARTS, timeout=20, **options)
    assert isinstance(queue, PartitionedQueue)
    return queue


def owners(cluster: ClusterOfSix, queue: PartitionedQueue) -> dict[int, int]:
    """Partition -> port of its owner."""
    return {number: cluster.owner(part.name).port for number, part in enumerate(queue.parts)}


async def replicas_are_in_step(cluster: ClusterOfSix) -> None:
    async def in_step() -> bool:
        return await asyncio.to_thread(
            lambda: all(
                offset(cluster.replica_of(node)) == offset(node) for node in cluster.living if node.is_primary()
            )
        )

    await until(in_step, "the replicas hold what was acknowledged")


@ALL_HERE
async def test_a_drain_goes_on_when_an_owner_is_killed_and_another_hands_over(cluster: ClusterOfSix, name: str) -> None:
    runs: Counter[int] = Counter()
    ran_at: dict[int, list[float]] = {number: [] for number in range(PARTS)}
    async with parted(cluster, name) as queue:

        @queue.handler("email")
        async def send(job: barq.Job) -> None:
            runs[job.id] += 1
            ran_at[job.id % PARTS].append(time.monotonic())
            await asyncio.sleep(0.01)

        jobs = await queue.enqueue_many("email", range(JOBS))
        before = await asyncio.to_thread(owners, cluster, queue)
        assert len(set(before.values())) == 3, "the partitions are on all owners"
        await replicas_are_in_step(cluster)
        worker = barq.Worker(queue, concurrency=16, lease=3.0, poison=100)
        working = asyncio.create_task(worker.run(signals=False))

        async def have_run(count: int) -> None:
            async def enough() -> bool:
                if working.done():
                    working.result()
                return len(runs) >= count

            await until(enough, f"{count} have run; so far {len(runs)}", seconds=60)

        await have_run(JOBS // 6)
        other = other_of(queue, before)
        dying, planned = cluster.owner(queue.parts[0].name), cluster.owner(other)
        tell(cluster.replica_of(planned), "CLUSTER", "FAILOVER")

        async def handed_over() -> bool:
            return await asyncio.to_thread(cluster.owner, other) is not planned

        await until(handed_over, "the other one has handed over")
        dying.kill()
        killed_at = time.monotonic()
        await have_run(JOBS)

        async def all_completed() -> bool:
            return (await queue.counts())["completed"] == JOBS

        await until(all_completed, "all are settled", seconds=30)
        worker.stop()
        await asyncio.wait_for(working, 20)
        after = await asyncio.to_thread(owners, cluster, queue)
    assert runs.keys() == {job.id for job in jobs}
    assert dying.port not in after.values()
    dead = [number for number, port in before.items() if port == dying.port]
    again = min(at for number in dead for at in ran_at[number] if at > killed_at)
    longest = max(later - earlier for earlier, later in itertools.pairwise(sorted(itertools.chain(*ran_at.values()))))
    print(f"{longest:.1f} s without a run of any job")
    print(
        f"{runs.total() - JOBS} extra runs; the partitions of the dead owner ran again after {again - killed_at:.1f} s"
    )
    assert again - killed_at < LONGEST_GAP
    dying.start()


def other_of(queue: PartitionedQueue, owners: dict[int, int]) -> str:
    """Name of a partition that another owner has than the first one."""
    return next(queue.parts[number].name for number, port in owners.items() if port != owners[0])


@ALL_HERE
async def test_producers_workers_and_waiters_use_a_new_node_that_takes_partitions_over(
    cluster: ClusterOfSix, name: str
) -> None:
    async with parted(cluster, name, keep_events=1_000_000) as queue, Load(queue).running() as load:
        fresh = await asyncio.to_thread(cluster.add)
        for part in queue.parts[:2]:
            await asyncio.to_thread(cluster.move_slot, part.target.slot, cluster.owner(part.name), fresh)
        await load.more(300)
        assert {cluster.owner(part.name).port for part in queue.parts[:2]} == {fresh.port}
    assert not load.refused
    assert set(load.heard.values()) == {1}


@ALL_HERE
async def test_another_number_is_refused_also_when_the_number_stands_on_another_node(
    cluster: ClusterOfSix, name: str
) -> None:
    async with parted(cluster, name) as queue:
        await queue.enqueue("email")
    for other in (1, 8):
        async with barq.Queue(name, url=cluster.url, partitions=other) as wrong:
            with pytest.raises(barq.WrongPartitions):
                await wrong.enqueue("email")
