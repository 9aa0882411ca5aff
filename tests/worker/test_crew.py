"""A worker of several queues, or of a queue's partitions: one set of slots, and everybody gets some of them."""

import asyncio
import itertools
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import barq
from tests.support import Server, until
from tests.topology.replicas import frozen
from tests.worker import in_process
from tests.worker.running import work_off, working
from tests.worker.test_budget import Counted, sent

PARTS = 4


@pytest.fixture
async def parted(server: Server, name: str) -> AsyncIterator[barq.Queue]:
    async with barq.Queue(name, url=server.url, partitions=PARTS) as made:
        yield made


@pytest.fixture
async def two(server: Server, name: str) -> AsyncIterator[list[barq.Queue]]:
    async with barq.Queue(f"{name}-a", url=server.url) as a, barq.Queue(f"{name}-b", url=server.url) as b:
        yield [a, b]


@pytest.fixture
def quick_server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path, "--appendonly", "no").start()
    yield running
    running.stop()


def echoing(queue: barq.Queue, ran: list[Any] | None = None, type: str = "email", **options: Any) -> None:
    @queue.handler(type, **options)
    async def echo(job: barq.Job) -> Any:
        if ran is not None:
            ran.append(job.data)
        await asyncio.sleep(0)
        return job.data


async def test_jobs_of_all_partitions_run_and_their_results_arrive(parted: barq.Queue) -> None:
    echoing(parted)
    jobs = [await parted.enqueue("email", number) for number in range(40)]
    async with working(parted) as worker:
        assert await asyncio.gather(*(job.result(20) for job in jobs)) == list(range(40))
        late = [await parted.enqueue("email", number) for number in range(20)]
        assert await asyncio.gather(*(job.result(20) for job in late)) == list(range(20))
        assert worker.done == 60


async def test_a_burst_ends_when_all_partitions_are_empty(parted: barq.Queue) -> None:
    ran: list[Any] = []
    echoing(parted, ran)
    await parted.enqueue_many("email", range(2000))
    worker = await work_off(parted)
    assert sorted(ran) == list(range(2000))
    assert worker.done == 2000
    assert (await parted.counts())["completed"] == 2000


async def test_no_more_run_at_a_time_than_the_worker_has_slots(parted: barq.Queue) -> None:
    running: list[int] = [0]
    most = 0

    @parted.handler("email")
    async def handle(job: barq.Job) -> None:
        nonlocal most
        running[0] += 1
        most = max(most, running[0])
        await asyncio.sleep(0.001)
        running[0] -= 1

    await parted.enqueue_many("email", [None] * 1500)
    await work_off(parted, concurrency=3)
    assert most == 3


async def test_a_limit_of_a_type_holds_over_all_partitions_and_nobody_asks_in_vain_for_ever(
    quick_server: Server,
) -> None:
    parted = barq.Queue(url=quick_server.url, partitions=PARTS)
    running, most = 0, 0

    @parted.handler("email", concurrency=2)
    async def handle(job: barq.Job) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.002)
        running -= 1

    echoing(parted, type="sms")
    for _ in range(100):
        await parted.enqueue("email")
        await parted.enqueue("sms")
    counted = Counted(quick_server)
    await work_off(parted, concurrency=50)
    assert most == 2
    assert sent(counted.by_name()) <= 3 * 100 * PARTS, "a job of the type that ends lets each partition look about once"
    assert (await parted.counts())["completed"] == 200
    await parted.close()


@pytest.mark.parametrize("concurrency", [1, 10])
async def test_a_queue_with_much_to_do_leaves_the_others_their_turns(two: list[barq.Queue], concurrency: int) -> None:
    order: list[str] = []
    for queue in two:

        @queue.handler("email")
        async def handle(job: barq.Job) -> None:
            order.append(job.data)
            await asyncio.sleep(0.005)

    await two[0].enqueue_many("email", ["a"] * 5000)
    await two[1].enqueue_many("email", ["b"] * 20)
    async with working(two, concurrency=concurrency):  # type: ignore[arg-type]

        async def all_b() -> bool:
            return order.count("b") == 20

        await until(all_b, "those of the other queue have run")
    since = order.index("b")  # the other one may connect later
    assert order[since:].count("a") < 400


async def test_several_queues_have_their_own_handlers_and_codecs(two: list[barq.Queue]) -> None:
    for number, queue in enumerate(two):

        @queue.task
        async def add(a: int, b: int, number: int = number) -> int:
            return a + b + 100 * number

    jobs = [await queue.enqueue("add", {"a": 1, "b": 2}) for queue in two]
    async with working(two) as worker:  # type: ignore[arg-type]
        assert [await job.result(20) for job in jobs] == [3, 103]
        (seen,), (other,) = [await queue.workers() for queue in two]
        assert seen.id == other.id == worker.id


async def test_queues_that_can_not_be_worked_together_are_refused(two: list[barq.Queue]) -> None:
    echoing(two[0])
    for queues, says in ([], "a list of them"), ([two[0], two[0]], "each once"), ([two[0], "b"], "needs a barq.Queue"):
        with pytest.raises((barq.InvalidValue, barq.InvalidType), match=says):
            barq.Worker(queues)
    with pytest.raises(barq.InvalidValue, match="type 'sms' has no handler"):
        barq.Worker(two, types=["email", "sms"])
    with pytest.raises(barq.InvalidValue, match="the queue has no handlers"):
        barq.Worker([two[1]])


async def test_a_stop_hands_the_jobs_of_all_partitions_back(parted: barq.Queue) -> None:
    began = 0

    @parted.handler("email")
    async def handle(job: barq.Job) -> None:
        nonlocal began
        began += 1
        await asyncio.sleep(60)

    for _ in range(PARTS * 2):
        await parted.enqueue("email")
    async with working(parted, concurrency=PARTS * 2):

        async def all_begun() -> bool:
            return began == PARTS * 2

        await until(all_begun, "all run")
    assert (await parted.counts())["waiting"] == PARTS * 2
    assert {job.failures for job in await parted.jobs()} == {0}


async def test_a_cancelled_job_of_any_partition_is_ended_and_leases_are_kept(parted: barq.Queue) -> None:
    ended: Counter[str] = Counter()

    @parted.handler("email")
    async def handle(job: barq.Job) -> None:
        try:
            await asyncio.sleep(job.data)
            ended["returned"] += 1
        except asyncio.CancelledError:
            ended["cancelled"] += 1
            raise

    long = [await parted.enqueue("email", 60) for _ in range(PARTS)]
    kept = [await parted.enqueue("email", 2.5) for _ in range(PARTS)]
    async with working(parted, lease=1.0):

        async def all_run() -> bool:
            return (await parted.counts())["active"] == PARTS * 2

        await until(all_run, "all run")
        await parted.cancel(*(job.id for job in long))
        for job in kept:
            await job.result(20)
        assert {(await parted.get(job.id)).attempt for job in kept} == {1}

        async def all_cancelled() -> bool:
            return ended["cancelled"] == PARTS

        await until(all_cancelled, "their handlers have ended")
    assert ended["returned"] == PARTS


async def test_delayed_jobs_and_those_of_a_dead_worker_are_found_in_all_partitions(
    parted: barq.Queue, server: Server
) -> None:
    ran: list[Any] = []
    echoing(parted, ran)

    async with working(parted, lease=1.0):
        await until_idle(parted, server)
        began = time.monotonic()
        for number in range(PARTS):
            await parted.enqueue("email", number, delay=0.3)

        async def all_ran() -> bool:
            return sorted(ran) == list(range(PARTS))

        await until(all_ran, "they have run")
        assert time.monotonic() - began >= 0.3


async def until_idle(queue: barq.Queue, server: Server) -> None:
    """Its worker waits at the bell."""

    async def quiet() -> bool:
        return (await queue.workers()) != []

    await until(quiet, "the worker is there")


async def test_plain_handlers_share_the_threads(parted: barq.Queue) -> None:
    running, most = itertools.count(), 0
    now: set[int] = set()

    @parted.handler("email")
    def handle(job: Any) -> str:
        nonlocal most
        mine = next(running)
        now.add(mine)
        most = max(most, len(now))
        time.sleep(0.005)
        now.discard(mine)
        job.log("ran")
        return "x"

    jobs = [await parted.enqueue("email") for _ in range(60)]
    await work_off(parted, threads=3)
    assert most <= 3
    assert {(await parted.get(job.id)).returned for job in jobs} == {"x"}
    assert [text for _, text in await parted.logs(jobs[7].id)] == ["ran"]


async def test_child_processes_know_of_which_partition_a_job_is(parted: barq.Queue) -> None:
    parted.handler("about", run="process")(in_process.about)
    jobs = [await parted.enqueue("about", number) for number in range(PARTS)]
    await work_off(parted, children=1)
    for job in jobs:
        told = await job.result(1)
        assert (told["id"], told["data"], told["logs"]) == (job.id, job.data, ["one line"])


async def test_workers_are_told_once_with_all_that_they_run(parted: barq.Queue) -> None:
    go = asyncio.Event()

    @parted.handler("email")
    async def handle(job: barq.Job) -> None:
        await go.wait()

    async with working(parted, concurrency=7) as worker:

        async def there() -> bool:
            return bool(await parted.workers())

        await until(there, "it says that it lives")
        (told,) = await parted.workers()
        assert (told.id, told.concurrency, told.types) == (worker.id, 7, ["email"])
        go.set()


async def test_a_worker_is_drained_and_stopped_as_a_whole(parted: barq.Queue) -> None:
    ran: list[Any] = []
    echoing(parted, ran)
    worker = barq.Worker(parted)
    working_ = asyncio.create_task(worker.run(signals=False))

    async def there() -> bool:
        return bool(await parted.workers())

    await until(there, "it says that it lives")
    with pytest.raises(barq.WorkerNotFound):
        await parted.drain_worker("w0")
    assert await parted.drain_worker(worker.id) is True

    async def drains() -> bool:
        return any(one.draining for one in await parted.workers())

    await until(drains, "it has heard it")
    for number in range(PARTS * 2):
        await parted.enqueue("email", number)
    await asyncio.sleep(0.3)
    assert ran == []
    assert await parted.resume_worker(worker.id) is True

    async def all_ran() -> bool:
        return len(ran) == PARTS * 2

    await until(all_ran, "it claims again")
    assert await parted.stop_worker(worker.id) is True
    await asyncio.wait_for(working_, 20)


async def test_an_idle_worker_of_16_partitions_on_one_server_is_nearly_as_quiet_as_of_one(quick_server: Server) -> None:
    seconds, rates = 4.0, {}
    for partitions in (1, 16):
        async with barq.Queue(f"mail-{partitions}", url=quick_server.url, partitions=partitions) as queue:
            echoing(queue)
            async with working(queue):
                jobs = [await queue.enqueue("email") for _ in range(16)]
                for job in jobs:
                    await job.result(20)
            async with working(queue):
                await asyncio.sleep(1)
                counted = Counted(quick_server)
                await asyncio.sleep(seconds)
                counts = counted.by_name()
        rates[partitions] = (sent(counts) + counts.get("bzpopmin", 0) + counts.get("client|unblock", 0)) / seconds
    assert rates[16] <= 12, rates  # a round of all of them may fall into these seconds


async def test_a_job_that_a_full_worker_hears_of_goes_to_one_with_room(parted: barq.Queue, server: Server) -> None:
    """The marker is taken by the first who hears; who has no slot sets it again."""
    go = asyncio.Event()
    ran_by: dict[Any, str] = {}

    @parted.handler("email")
    async def handle(job: barq.Job) -> None:
        ran_by[job.data] = str(job.worker)
        await go.wait()

    async with working(parted, concurrency=1) as full:
        await parted.enqueue("email", "first")

        async def runs() -> bool:
            return "first" in ran_by

        await until(runs, "it is full")
        async with working(parted, concurrency=50) as free:
            for number in range(PARTS * 2):
                await parted.enqueue("email", number)

            async def all_run() -> bool:
                return len(ran_by) == PARTS * 2 + 1

            await until(all_run, "the one with room has taken them", seconds=8)
            assert {ran_by[number] for number in range(PARTS * 2)} == {free.id}
            assert ran_by["first"] == full.id
            go.set()


async def test_a_server_that_stands_still_leaves_its_slots_to_the_others(server: Server, quick_server: Server) -> None:
    ran: Counter[str] = Counter()
    name = uuid.uuid4().hex
    async with barq.Queue(name, url=server.url) as a, barq.Queue(name, url=quick_server.url) as b:
        for queue, label in ((a, "a"), (b, "b")):

            @queue.handler("email")
            async def handle(job: barq.Job, label: str = label) -> None:
                ran[label] += 1
                await asyncio.sleep(0.002)

            await queue.enqueue_many("email", range(400))
        async with working([a, b], concurrency=8):  # type: ignore[arg-type]

            async def has_run(label: str, count: int) -> None:
                async def enough() -> bool:
                    return ran[label] >= count

                await until(enough, f"{count} of {label} have run, so far {ran}")

            await has_run("b", 20)
            with frozen(quick_server):
                await has_run("a", 400)
                assert ran["b"] < 400
            await has_run("b", 400)
