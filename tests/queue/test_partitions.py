"""Partitions: one queue over several slots. Ids say where a job is; what names no job is asked of all and put together."""

import asyncio
import pickle
from collections import Counter
from collections.abc import AsyncIterator

import pytest

import barq
import barq.sync
from barq.partitioned import PartitionedQueue
from barq.protocol.call import Space
from tests.support import Server, until

PARTS = 4


@pytest.fixture
async def parted(server: Server, name: str) -> AsyncIterator[PartitionedQueue]:
    async with barq.Queue(name, url=server.url, partitions=PARTS) as made:
        assert isinstance(made, PartitionedQueue)
        yield made


def parts_of(jobs: list[barq.Job]) -> Counter[int]:
    return Counter(job.id % PARTS for job in jobs)


async def every(queue: barq.Queue, limit: int = 7, **options: object) -> list[int]:
    """The ids of all pages."""
    found: list[int] = []
    after = None
    while True:
        page = await queue.jobs(limit=limit, after=after, **options)  # type: ignore[arg-type]
        found += [job.id for job in page]
        after = page.next
        if after is None:
            return found


# ---- where a job is


async def test_an_id_says_in_which_partition_its_job_is(parted: PartitionedQueue) -> None:
    jobs = [await parted.enqueue("email", number) for number in range(12)]
    for job in jobs:
        assert [found.id for part in parted.parts for found in await part.jobs() if found.id == job.id] == [job.id]
        assert (await parted.parts[job.id % PARTS].get(job.id)).data == job.data
        assert (await parted.get(job.id)).data == job.data
    assert len({job.id for job in jobs}) == 12
    assert parts_of(jobs) == dict.fromkeys(range(PARTS), 3)


async def test_ids_that_no_partition_has_given_are_not_there(parted: PartitionedQueue) -> None:
    job = await parted.enqueue("email")
    for id in (1, 3, job.id + 1, job.id + PARTS, 10**9):
        with pytest.raises(barq.JobNotFound):
            await parted.get(id)


async def test_keys_of_a_partition_have_a_slot_of_their_own(parted: PartitionedQueue) -> None:
    assert len({part.target.slot for part in parted.parts}) == PARTS
    assert [part.space.prefix for part in parted.parts[:2]] == [
        f"barq:{{{parted.name}/0}}:".encode(),
        f"barq:{{{parted.name}/1}}:".encode(),
    ]


async def test_what_is_enqueued_at_a_time_stays_in_one_batch(parted: PartitionedQueue) -> None:
    await parted.ping()
    jobs = await asyncio.gather(*(parted.enqueue("email") for _ in range(100)))
    # whoever finds a connection idle leaves at once, so up to one job for each partition before the others
    assert max(parts_of(list(jobs)).values()) > 100 - PARTS
    again = await asyncio.gather(*(parted.enqueue("email") for _ in range(100)))
    assert parts_of(list(again)) != parts_of(list(jobs)), "the next batch goes to another one"


async def test_bulk_is_spread_in_calls_of_250_and_comes_back_in_order(parted: PartitionedQueue) -> None:
    jobs = await parted.enqueue_many("email", range(1100))
    assert sorted(parts_of(jobs).values()) == [250, 250, 250, 350]
    assert [job.data for job in await asyncio.gather(*(parted.get(job.id) for job in jobs[::100]))] == [
        *range(0, 1100, 100)
    ]


async def test_a_token_gives_the_same_job_whichever_partition_is_next(parted: PartitionedQueue) -> None:
    first = await parted.enqueue("email", token="order 5")
    await parted.enqueue("email")
    assert (await parted.enqueue("email", token="order 5")).id == first.id
    tokens = [await parted.enqueue("email", token=f"order {number}") for number in range(40)]
    assert len(parts_of(tokens)) == PARTS


async def test_a_limit_is_shared_out_and_says_how_many_were_stored(server: Server, name: str) -> None:
    async with barq.Queue(name, url=server.url, partitions=PARTS, max_waiting=1000) as queue:
        with pytest.raises(barq.QueueFull) as full:
            await queue.enqueue_many("email", range(1600))
        assert full.value.stored == 1000
        assert (await queue.counts())["waiting"] == 1000


# ---- the number


@pytest.mark.parametrize("other", [1, PARTS - 1, PARTS * 2])
async def test_another_number_of_partitions_is_refused_and_nothing_is_stored(
    parted: PartitionedQueue, server: Server, name: str, other: int
) -> None:
    await parted.enqueue("email")
    async with barq.Queue(name, url=server.url, partitions=other) as wrong:
        with pytest.raises(barq.WrongPartitions, match=f"partitions={PARTS}") as refused:
            await wrong.enqueue("email")
        with pytest.raises(barq.WrongPartitions):
            await wrong.counts()

        @wrong.handler("email")
        async def send(job: barq.Job) -> None: ...

        with pytest.raises(barq.WrongPartitions):
            await barq.Worker(wrong).run(signals=False)
    assert refused.value.stored == PARTS
    assert (await parted.counts())["waiting"] == 1


async def test_a_queue_that_exists_without_partitions_gets_none(queue: barq.Queue, server: Server) -> None:
    await queue.enqueue("email")
    async with barq.Queue(queue.name, url=server.url, partitions=PARTS) as wrong:
        with pytest.raises(barq.WrongPartitions, match="has 1 partition,"):
            await wrong.enqueue("email")
    await queue.enqueue("email")


@pytest.mark.parametrize("number", [0, -1, 1025, 1.5, "4", None])
def test_the_number_must_be_a_whole_number_from_1_to_1024(number: object) -> None:
    with pytest.raises((barq.InvalidValue, barq.InvalidType), match="partitions"):
        barq.Queue(partitions=number)  # type: ignore[arg-type]


def test_one_partition_is_a_queue_as_any_other(name: str) -> None:
    queue = barq.Queue(name, partitions=1)
    assert type(queue) is barq.Queue
    assert queue.space == Space(name, completed=queue.space.completed, failed=queue.space.failed)


# ---- acts


async def test_acts_find_the_jobs_they_name(parted: PartitionedQueue) -> None:
    jobs = [await parted.enqueue("email", delay=60) for _ in range(PARTS * 2)]
    ids = [job.id for job in jobs]
    await parted.promote(*ids)
    assert (await parted.counts())["waiting"] == len(ids)
    await parted.cancel(*ids)
    await parted.retry(ids[0])
    await parted.remove(*ids[1:])
    assert [(job.id, job.state) for job in await parted.jobs()] == [(ids[0], "waiting")]


async def test_an_act_names_the_first_that_refuses_and_does_the_others(parted: PartitionedQueue) -> None:
    jobs = [await parted.enqueue("email") for _ in range(PARTS)]
    gone = jobs[1].id
    await jobs[1].remove()
    await jobs[2].cancel()
    with pytest.raises(barq.JobNotFound, match=f"job {gone} \\(and 1 others\\)"):
        await parted.cancel(*(job.id for job in jobs))
    assert (await parted.counts())["cancelled"] == 3


async def test_a_pause_holds_everywhere(parted: PartitionedQueue) -> None:
    assert await parted.pause("email", by="anna", reason="mail server") is True
    assert await parted.pause("email", by="anna") is False
    for part in parted.parts:
        assert (await part.types())["email"].paused
    assert (await parted.types())["email"].paused["by"] == "anna"  # type: ignore[index]
    assert await parted.resume("email") is True
    assert await parted.resume("email") is False
    assert await parted.pause() is True
    assert (await parted.paused()) is not None


async def test_prune_forgets_in_all_of_them(server: Server, name: str) -> None:
    keep = barq.Retention(count=0)
    async with barq.Queue(name, url=server.url, partitions=PARTS, keep_failed=keep) as queue:
        jobs = [await queue.enqueue("email") for _ in range(PARTS)]
        await queue.cancel(*(job.id for job in jobs))
        assert await queue.prune() == PARTS


# ---- look


async def test_pages_are_in_order_over_all_partitions_and_end(parted: PartitionedQueue) -> None:
    jobs = [await parted.enqueue("email", priority=number % 3) for number in range(40)]
    jobs += [await parted.enqueue("sms", delay=60) for _ in range(20)]
    expected = [job.id for job in sorted(jobs[:40], key=lambda job: (job.priority, job.id))]
    assert await every(parted, state="waiting") == expected
    found = await every(parted)
    assert found[:40] == expected
    assert sorted(found[40:]) == sorted(job.id for job in jobs[40:])
    assert await every(parted, state="waiting", newest_first=True) == expected[::-1]
    assert await every(parted, type="sms") == found[40:]


async def test_a_page_begins_behind_a_job_that_has_gone_meanwhile(parted: PartitionedQueue) -> None:
    ids = [(await parted.enqueue("email")).id for _ in range(20)]
    page = await parted.jobs(limit=5)
    await parted.cancel(*(job.id for job in page))
    rest = await parted.jobs("waiting", limit=50, after=page.next)
    assert [job.id for job in rest] == sorted(ids)[5:]
    assert rest.next is None


async def test_so_many_jobs_are_skipped_as_asked(parted: PartitionedQueue) -> None:
    ids = sorted([(await parted.enqueue("email")).id for _ in range(20)])
    assert [job.id for job in await parted.jobs(limit=4, skip=9)] == ids[9:13]
    assert await parted.jobs(skip=20) == []
    with pytest.raises(barq.InvalidValue, match="skip must be"):
        await parted.jobs(skip=10_001)


async def test_a_place_of_another_listing_is_refused(parted: PartitionedQueue) -> None:
    for _ in range(8):
        await parted.enqueue("email")
    place = (await parted.jobs("waiting", "email", limit=4)).next
    for state, type in (("failed", "email"), ("waiting", "sms")):
        with pytest.raises(barq.NoSuchPage):
            await parted.jobs(state, type, after=place)


async def test_events_of_a_partition_are_in_order_and_their_position_goes_on_in_all(parted: PartitionedQueue) -> None:
    jobs = [await parted.enqueue("email", number) for number in range(10)]
    await parted.cancel(*(job.id for job in jobs))
    told = [event async for event in parted.events("0", wait=False)]
    for job in jobs:
        assert [event.name for event in told if event.job_id == job.id] == ["enqueue", "cancel"]
    for at in (0, 7, 19):
        rest = [event async for event in parted.events(told[at].position, wait=False)]
        assert [(event.name, event.job_id) for event in rest] == [(one.name, one.job_id) for one in told[at + 1 :]]
    assert await parted.position() != told[0].position
    assert [event async for event in parted.events(await parted.position(), wait=False)] == []


async def test_events_are_heard_from_all_partitions_as_they_happen(parted: PartitionedQueue) -> None:
    heard: set[int] = set()

    async def listen(after: str) -> None:
        async for event in parted.events(after):
            heard.add(event.job_id)

    listening = asyncio.create_task(listen(await parted.position()))
    ids = [(await parted.enqueue("email")).id for _ in range(PARTS * 2)]

    async def all_heard() -> bool:
        return heard == set(ids)

    await until(all_heard, "all are heard")
    listening.cancel()
    await asyncio.wait([listening])


async def test_a_gap_in_one_partition_is_told(server: Server, name: str) -> None:
    async with barq.Queue(name, url=server.url, partitions=2, keep_events=2) as queue:
        for _ in range(300):
            await queue.enqueue("email")
        told = [event async for event in queue.events("0", wait=False)]
    gaps = [event.data for event in told if event.name == "gap"]
    assert len(gaps) == 2
    assert sum(gaps) + len(told) - 2 == 300


@pytest.mark.parametrize("position", ["1", "1,2,3", "1,2,3,x", "1,2,3,4,5", "", "0,0,0,0.1"])
async def test_a_position_names_all_partitions(parted: PartitionedQueue, position: str) -> None:
    with pytest.raises(barq.InvalidValue, match="after must be"):
        await anext(parted.events(position, wait=False))


# ---- search, times, people


async def test_a_query_finds_and_acts_in_one_partition_after_the_other(parted: PartitionedQueue) -> None:
    jobs = [await parted.enqueue("email", number, title=f"order {number}") for number in range(12)]
    await parted.enqueue("sms")
    found: list[int] = []
    after = None
    while True:
        page = await parted.find("type:email", limit=2, after=after)
        found += [job.id for job in page]
        after = page.next
        if after is None:
            break
    assert sorted(found) == sorted(job.id for job in jobs)
    assert [job.id for job in await every_found(parted, f"id:{jobs[5].id}")] == [jobs[5].id]
    counted = await parted.count("type:email")
    assert (counted, counted.exact) == (12, True)
    assert (await parted.act_on("cancel", where="type:email", dry_run=True)).matched == 12
    first = await parted.act_on("cancel", where="type:email", most=7)
    assert (first.done, first.more) == (7, True)
    rest = await parted.act_on("cancel", where="type:email", after=first.next)
    assert (rest.done, rest.more, rest.next) == (5, False, None)
    assert (await parted.counts("email"))["cancelled"] == 12
    with pytest.raises(barq.NoSuchPage):
        await parted.find("type:email", after="9:x")


async def every_found(queue: barq.Queue, query: str) -> list[barq.Job]:
    found: list[barq.Job] = []
    after = None
    while True:
        page = await queue.find(query, after=after)
        found += page
        after = page.next
        if after is None:
            return found


async def test_what_ended_in_all_partitions_is_added_up(parted: PartitionedQueue) -> None:
    @parted.handler("email")
    async def send(job: barq.Job) -> None:
        if job.data % 2:
            raise ValueError("mailbox full")

    jobs = [await parted.enqueue("email", number) for number in range(12)]
    await barq.Worker(parted, burst=True).run(signals=False)
    assert (await parted.totals())["email"].counts == [6, 6, 0]
    assert sum(point.completed for point in (await parted.history("15m", "email")).points) == 6
    assert sum((await parted.stats())["email"].spark) == 6
    (group,) = (await parted.failures()).groups
    assert (group.type, group.error, group.count) == ("email", "ValueError", 6)
    failed = next(job for job in jobs if job.data % 2)
    assert [attempt.attempt for attempt in await parted.attempts(failed.id)] == [1]
    assert [reason.code for reason in (await parted.explain(failed.id)).reasons] == ["ended"]


async def test_jobs_are_edited_and_cloned_where_they_are_and_it_is_written_down(parted: PartitionedQueue) -> None:
    jobs = [await parted.enqueue("email", number) for number in range(PARTS)]
    await parted.edit(jobs[2].id, "new", by="anna")
    await parted.set_priority(jobs[1].id, "high", by="anna")
    copy = await parted.clone(jobs[3].id, by="anna")
    assert (await parted.get(jobs[2].id)).data == "new"
    assert (await parted.get(jobs[1].id)).priority == -10
    assert (await parted.get(copy.id)).data == 3
    told = await parted.audit()
    assert sorted((act.act, act.target) for act in told.acts) == sorted(
        [("edit", f"job {jobs[2].id}"), ("edit", f"job {jobs[1].id}"), ("clone", f"job {jobs[3].id}")]
    )
    assert told.acts[0].after == copy.id
    with pytest.raises(barq.InvalidValue, match="newest acts only"):
        await parted.audit(before=5)


async def test_what_can_not_be_asked_of_all_together_is_refused(parted: PartitionedQueue) -> None:
    with pytest.raises(barq.WrongState, match=r"ask each of queue.parts"):
        parted._here()


# ---- others that hold one


async def test_in_test_mode_jobs_are_recorded_without_a_server() -> None:
    queue = barq.Queue("mail", url="redis://127.0.0.1:1", partitions=PARTS)

    @queue.task
    def add(a: int, b: int) -> int:
        return a + b

    with queue.test_mode:
        await queue.enqueue("email", 1)
        await queue.enqueue_many("email", [2, 3])
        await queue.create("email", 4).on("complete", print).save()
        await add.enqueue(1, 2)
        assert [(job.id, job.data) for job in queue.test_mode.jobs] == [
            (1, 1),
            (2, 2),
            (3, 3),
            (4, 4),
            (5, {"a": 1, "b": 2}),
        ]


async def test_a_copy_in_another_process_has_the_same_partitions(parted: PartitionedQueue) -> None:
    job = await parted.enqueue("email", "x")
    for original in (parted, parted.parts[job.id % PARTS]):
        copy = pickle.loads(pickle.dumps(original))  # noqa: S301
        async with copy:
            assert (await copy.get(job.id)).data == "x"


def test_plain_code_has_them_as_well(server: Server, name: str) -> None:
    with barq.sync.Queue(name, url=server.url, partitions=PARTS) as queue:
        jobs = [queue.enqueue("email", number) for number in range(PARTS)]
        assert queue.get(jobs[2].id).data == 2
        assert sorted(job.id for job in queue.jobs()) == sorted(job.id for job in jobs)
        assert len(list(queue.events("0", wait=False))) == PARTS
