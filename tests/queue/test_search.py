"""Search as users have it: find, count, and acts on all jobs that a query finds."""

from typing import Any

import pytest

import barq
from barq import sync
from tests.support import Server
from tests.worker.running import work_off


async def ids_of(queue: barq.Queue, query: str, **options: Any) -> list[int]:
    return [job.id for job in await queue.find(query, **options)]


async def with_failures(queue: barq.Queue) -> None:
    """Ten jobs, of which 3 and 8 fail."""
    for n in range(1, 11):
        data = {"customer": n % 5, "to": [f"user{n}@example.com", "all"], "order": {"city": "Old York"}}
        await queue.enqueue("email", data, title=f"Invoice {n}", index=("customer", "to", "order.city"))

    @queue.handler("email")
    async def handle(job: barq.Job) -> None:
        if job.data["customer"] == 3:
            raise ValueError(f"Mailbox full: {job.data['to'][0]}")

    await work_off(queue)


async def test_jobs_are_found_by_all_that_is_known_of_them(queue: barq.Queue) -> None:
    await with_failures(queue)
    assert await ids_of(queue, "state:failed") == [8, 3]
    assert await ids_of(queue, "customer:3") == [8, 3]
    assert await ids_of(queue, "customer:3 title:invoice title:8") == [8]
    assert await ids_of(queue, "error:ValueError message:mailbox") == [8, 3]
    assert await ids_of(queue, '"mailbox full"') == [8, 3]
    assert await ids_of(queue, '"full mailbox"') == []
    assert await ids_of(queue, "user8@example.com") == [8]
    assert sorted(await ids_of(queue, "to:user1*")) == [1, 10]
    assert await ids_of(queue, 'order.city:"old york" id:1,2') == [1, 2]
    assert await ids_of(queue, 'order.city:"york old"') == []
    assert await ids_of(queue, 'data:"old york" state:failed') == [8, 3]
    assert await ids_of(queue, "title:invoice customer:3 state:completed") == []
    assert await ids_of(queue, "em id:5") == [5]
    assert await ids_of(queue, barq.where(type="email", state="failed", to="all")) == [8, 3]


async def test_pages_go_on_where_they_ended(queue: barq.Queue) -> None:
    await with_failures(queue)
    for query in ("invoice", "title:invoice", "state:completed,failed", "data:example.com", '"old york"'):
        page = await queue.find(query, limit=4)
        ids = [job.id for job in page]
        while page.next is not None:
            page = await queue.find(query, limit=4, after=page.next)
            ids += [job.id for job in page]
        assert sorted(ids) == list(range(1, 11)), query
    page = await queue.find("invoice", limit=4)
    with pytest.raises(barq.NoSuchPage, match="another query"):
        await queue.find("title:invoice", after=page.next)
    for wrong in ("", "x", "[]", '[1,2,"","","",""]', 5):
        with pytest.raises(barq.NoSuchPage):
            await queue.find("invoice", after=wrong)  # type: ignore[arg-type]


async def test_counts_are_numbers_that_say_whether_they_are_exact(queue: barq.Queue) -> None:
    await with_failures(queue)
    for query, number in {
        "": 10,
        "state:failed": 2,
        "customer:3": 2,
        "mailbox": 2,
        "type:em*": 10,
        "id:3,77": 1,
    }.items():
        found = await queue.count(query)
        assert (found, found.exact) == (number, True), query


async def test_a_job_that_completes_after_all_is_not_found_by_its_error(queue: barq.Queue) -> None:
    job = await queue.enqueue("email", attempts=2, backoff=barq.fixed(3600))

    @queue.handler("email")
    async def handle(job: barq.Job) -> None:
        if job.attempt == 1:
            raise ValueError("mailbox full")
        assert await ids_of(queue, "mailbox") == [1]

    await work_off(queue)
    assert await ids_of(queue, "mailbox state:delayed") == [1]
    await job.promote()
    await work_off(queue)
    assert await ids_of(queue, "state:completed") == [1]
    assert await ids_of(queue, "mailbox") == []
    await queue.act_on("retry", where="state:completed")
    assert await ids_of(queue, "mailbox") == [], "its last attempt has not failed"


async def test_an_act_takes_all_that_match(queue: barq.Queue) -> None:
    await with_failures(queue)
    dry = await queue.act_on("retry", where="customer:3", dry_run=True)
    assert (dry.matched, dry.done, dry.more) == (2, 0, False)
    done = await queue.act_on("retry", where="customer:3")
    assert (done.matched, done.done, done.refused, done.more, done.next) == (2, 2, 0, False, None)
    assert await ids_of(queue, "state:waiting") == [8, 3]
    assert (await queue.act_on("retry", where="customer:3")).matched == 0
    assert (await queue.act_on("cancel", where="state:waiting")).done == 2
    assert await ids_of(queue, "mailbox") == [], "a cancelled job has no error"
    assert (await queue.act_on("remove", where="type:email")).done == 10
    assert await queue.count() == 0


async def test_an_act_ends_after_so_many_and_goes_on(queue: barq.Queue) -> None:
    await queue.enqueue_many("email", range(600), delay=60)
    first = await queue.act_on("promote", where="type:email", most=260)
    assert (first.done, first.more) == (260, True)
    await queue.enqueue("email", delay=60)
    rest = await queue.act_on("promote", where="type:email", after=first.next)
    assert (rest.done, rest.more) == (340, False), "what was enqueued since the act began is left alone"
    assert await queue.counts() | {"waiting": 600, "delayed": 1} == await queue.counts()


async def test_an_act_is_told_which_jobs(queue: barq.Queue) -> None:
    with pytest.raises(barq.InvalidValue, match="remove needs a query that says which jobs"):
        await queue.act_on("remove", where=" ")
    with pytest.raises(barq.InvalidValue, match=r"retry takes only .* jobs, and the query asks for waiting"):
        await queue.act_on("retry", where="state:waiting")
    with pytest.raises(barq.InvalidValue, match="an act is retry, cancel, promote or remove"):
        await queue.act_on("drop", where="type:email")  # type: ignore[arg-type]
    for wrong in (5, "x", ""):
        with pytest.raises((barq.NoSuchPage, barq.InvalidType)):
            await queue.act_on("remove", where="type:email", after=wrong)  # type: ignore[arg-type]


async def test_completed_jobs_run_again_only_when_they_are_asked_for(queue: barq.Queue) -> None:
    await with_failures(queue)
    assert (await queue.act_on("retry", where="type:email")).done == 2
    assert (await queue.act_on("retry", where="type:email state:completed")).done == 8


async def test_a_task_s_arguments_can_be_searched_for(queue: barq.Queue) -> None:
    @queue.task(index=("customer",))
    async def bill(customer: int, amount: float = 0) -> None: ...

    job = await bill.enqueue(42)
    await bill.enqueue(7, amount=42)
    assert await ids_of(queue, "customer:42") == [job.id]


async def test_what_can_t_be_searched_for_is_refused_at_the_enqueue(queue: barq.Queue) -> None:
    with pytest.raises(barq.InvalidPayload, match="customer is to be searchable, so it must be text"):
        await queue.enqueue("email", {"customer": {"id": 1}}, index=("customer",))
    await queue.enqueue("email", "ada", index=("customer",))
    await queue.enqueue("email", {"other": 1, "customer": None}, index=("customer",))
    assert await queue.count("customer:none") == 0


async def test_an_edited_job_is_found_by_its_new_data(queue: barq.Queue) -> None:
    await with_failures(queue)
    await queue.edit(3, {"customer": 77, "to": "ann@example.com"})
    assert await ids_of(queue, "customer:77") == [3]
    assert await ids_of(queue, "customer:3") == [8]
    assert await ids_of(queue, "title:3 error:ValueError to:ann@example.com") == [3]
    copy = await queue.clone(3)
    assert await ids_of(queue, "customer:77") == [copy.id, 3]
    with pytest.raises(barq.InvalidPayload, match="to be searchable"):
        await queue.edit(3, {"customer": {}})
    await queue.edit(3, {})
    assert await ids_of(queue, "customer:77") == [copy.id]


async def test_the_query_of_a_failure_group_finds_exactly_its_jobs(queue: barq.Queue) -> None:
    await with_failures(queue)
    (group,) = (await queue.failures()).groups
    assert await ids_of(queue, group.where) == [8, 3]
    assert await queue.count(group.where) == group.count
    assert (await queue.act_on("retry", where=group.where, by="ann")).done == 2
    assert [(act.by, act.act) for act in (await queue.audit()).acts] == [("ann", "retry")]


def test_the_blocking_queue_has_the_same(server: Server, name: str) -> None:
    with sync.Queue(name, url=server.url) as queue:
        queue.enqueue("email", {"customer": 42}, index=("customer",), delay=60)
        page = queue.find("customer:42")
        assert [job.id for job in page] == [1]
        assert isinstance(page[0], sync.Job)
        assert queue.count("customer:42") == 1
        assert queue.act_on("promote", where="customer:42").done == 1
