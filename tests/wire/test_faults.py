"""A bad network between a queue and its server: calls repeat harmlessly, deadlines hold, cancels end waiting."""

import asyncio
import signal
import time
from typing import Any

import pytest

import barq
from barq.protocol import calls
from tests.support import Server, free_port, until
from tests.wire.proxy import Proxy


async def test_an_enqueue_whose_answer_was_lost_is_stored_once(far: barq.Queue, proxy: Proxy) -> None:
    await far.ping()
    async with proxy.losing_answers():
        enqueues = [asyncio.create_task(far.enqueue("email", n)) for n in range(100)]
        await proxy.dropped()
    jobs = await asyncio.gather(*enqueues)
    assert sorted(job.id for job in jobs) == list(range(1, 101))
    assert (await far.counts("email"))["waiting"] == 100
    assert [(await far.get(job.id)).data for job in jobs] == list(range(100))


async def test_many_jobs_whose_answers_were_lost_are_stored_once(far: barq.Queue, proxy: Proxy) -> None:
    await far.ping()
    async with proxy.losing_answers():
        enqueue = asyncio.create_task(far.enqueue_many("email", range(1000)))
        await proxy.dropped()
    jobs = await enqueue
    assert (await far.counts("email"))["waiting"] == 1000
    assert [(await far.get(jobs[at].id)).data for at in (0, 1, 500, 999)] == [0, 1, 500, 999]


@pytest.mark.parametrize("verb", ["cancel", "promote", "remove", "retry"])
async def test_an_act_whose_answer_was_lost_is_done_once_and_no_error(far: barq.Queue, proxy: Proxy, verb: str) -> None:
    job = await far.enqueue("email", delay=60)
    if verb == "retry":
        await job.cancel()
    async with proxy.losing_answers():
        act = asyncio.create_task(getattr(far, verb)(job.id))
        await proxy.dropped()
    await act
    events = far.events("0")
    names = [(await asyncio.wait_for(anext(events), 10)).name for _ in range(3 if verb == "retry" else 2)]
    expected = {"promote": "promotion"}.get(verb, verb)
    assert names[-1] == expected
    await events.aclose()  # type: ignore[attr-defined]
    last = await far.enqueue("email")
    assert last.id == 2


async def test_resets_in_the_middle_of_a_load_lose_and_double_nothing(far: barq.Queue, proxy: Proxy) -> None:
    async def some(worker: int) -> list[barq.Job[Any]]:
        return [await far.enqueue("email", [worker, n]) for n in range(20)]

    load = asyncio.gather(*(some(worker) for worker in range(20)))
    for _ in range(5):
        await asyncio.sleep(0.03)
        proxy.reset()
    jobs = [job for part in await load for job in part]
    assert sorted(job.id for job in jobs) == list(range(1, 401))
    stored = [job.data for state in ("waiting",) for job in await far.jobs(state, limit=1000)]
    assert sorted(stored) == sorted([worker, n] for worker in range(20) for n in range(20))


async def test_an_answer_that_is_cut_in_the_middle_is_asked_for_again(far: barq.Queue, proxy: Proxy) -> None:
    await far.ping()
    proxy.cut_answers_at = 2
    enqueue = asyncio.create_task(far.enqueue("email"))

    async def again() -> bool:
        return proxy.connections >= 2

    await until(again, "it connects again")
    proxy.cut_answers_at = None
    assert (await enqueue).id == 1
    assert (await far.counts())["waiting"] == 1


async def test_a_slow_network_is_only_slow(far: barq.Queue, proxy: Proxy) -> None:
    proxy.delay = 0.1
    jobs = await asyncio.gather(*(far.enqueue("email", n) for n in range(50)))
    assert len({job.id for job in jobs}) == 50
    assert proxy.connections == 1


async def unreachable_after(queue: barq.Queue, call: Any) -> float:
    start = time.monotonic()
    with pytest.raises(barq.ServerUnreachable, match=r"no answer from the server at .* within 1 s"):
        await call
    return time.monotonic() - start


async def test_nobody_listening_is_told_within_the_timeout(name: str) -> None:
    async with barq.Queue(name, url=f"redis://127.0.0.1:{free_port()}", timeout=1) as queue:
        assert await unreachable_after(queue, queue.enqueue("email")) < 2
        assert isinstance(barq.ServerUnreachable("…"), ConnectionError)


@pytest.mark.parametrize("when", ["before the first call", "later"])
async def test_a_black_hole_is_told_within_the_timeout(proxy: Proxy, name: str, when: str) -> None:
    async with barq.Queue(name, url=proxy.url, timeout=1) as queue:
        if when == "later":
            await queue.ping()
        proxy.deaf = True
        assert await unreachable_after(queue, queue.enqueue("email")) < 2
        assert await unreachable_after(queue, queue.get(1)) < 2
        proxy.deaf = False
        proxy.reset()
        assert (await queue.enqueue("email")).id == 1


async def test_the_timeout_holds_over_all_repeats_of_a_call(proxy: Proxy, name: str) -> None:
    """The connection is lost shortly before the deadline; the next one answers nothing either."""
    async with barq.Queue(name, url=proxy.url, timeout=1) as queue:
        await queue.ping()
        proxy.mute = True
        enqueue = asyncio.create_task(unreachable_after(queue, queue.enqueue("email")))
        for _ in range(4):
            await asyncio.sleep(0.2)
            proxy.reset()
        assert await enqueue < 2
        proxy.mute = False


@pytest.mark.parametrize("lost", ["the call", "its answer"])
async def test_an_enqueue_that_gave_up_may_be_made_again_under_its_token(proxy: Proxy, name: str, lost: str) -> None:
    """Whoever was told ServerUnreachable does not know whether the job is stored: with a token it need not."""
    async with barq.Queue(name, url=proxy.url, timeout=1) as queue:
        await queue.ping()
        proxy.deaf, proxy.mute = lost == "the call", lost == "its answer"
        assert await unreachable_after(queue, queue.enqueue("email", "once", token="order 7")) < 2
        proxy.deaf = proxy.mute = False
        proxy.reset()
        first = await queue.enqueue("email", "once", token="order 7")
        assert (await queue.enqueue("email", "once", token="order 7")).id == first.id == 1
        assert (await queue.counts())["waiting"] == 1


async def test_one_call_that_gives_up_takes_no_other_with_it(own_server: Server, name: str) -> None:
    """The server stands still for a while: who has the time gets the answer."""
    async with barq.Queue(name, url=own_server.url, timeout=20) as queue:
        await queue.ping()
        assert own_server.process is not None
        own_server.process.send_signal(signal.SIGSTOP)
        try:
            patient = asyncio.create_task(queue.enqueue("email"))
            hasty = asyncio.create_task(queue._here().store.send(calls.ping(queue.space), timeout=0.5))
            with pytest.raises(barq.ServerUnreachable, match=r"within 0.5 s"):
                await hasty
        finally:
            own_server.process.send_signal(signal.SIGCONT)
        assert (await patient).id == 1
        assert queue._here().store.connections == 1


@pytest.mark.parametrize("fault", ["black hole", "nobody listens", "resets"])
async def test_who_is_cancelled_while_waiting_for_the_server_ends_at_once(proxy: Proxy, name: str, fault: str) -> None:
    async with barq.Queue(name, url=proxy.url, timeout=None) as queue:
        await queue.ping()
        if fault == "nobody listens":
            proxy._listener.close()
        proxy.deaf = fault != "resets"
        proxy.mute = True
        for _ in range(10):
            calls = [
                asyncio.create_task(queue.enqueue("email")),
                asyncio.create_task(queue.get(1)),
                asyncio.create_task(queue.enqueue_many("email", range(600))),
            ]
            await asyncio.sleep(0.03)
            if fault != "black hole":
                proxy.reset()
            for call in calls:
                call.cancel()
            done, late = await asyncio.wait(calls, timeout=1)
            assert not late
            assert all(call.cancelled() for call in done)
        start = time.monotonic()
    assert time.monotonic() - start < 1  # closing is as quick


async def test_a_waiter_hears_what_happened_while_its_connection_was_gone(
    far: barq.Queue, proxy: Proxy, queue: barq.Queue
) -> None:
    jobs = await far.enqueue_many("email", range(5))
    waiters = [asyncio.create_task(job.wait(20)) for job in jobs]
    await far.ping()
    async with proxy.losing_answers():
        await queue.cancel(*(job.id for job in jobs))  # the same queue, by a way of its own
    assert await asyncio.gather(*waiters) == ["cancel"] * 5
