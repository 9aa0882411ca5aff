"""A life: a queue's story in which every command has its part, for tests of what all commands have in common."""

from typing import Any

from barq.options import Retention
from barq.protocol import acts, calls, reads, retention, streams
from barq.protocol.call import Space
from barq.record import Described, member
from barq.states import State
from barq.sums import Sums
from tests.commands.engine import LEASE_MS, Engine, ending, new, word


async def live(engine: Engine, email: str = "email", push: str = "push") -> list[Any]:
    """Send every command once at least; returns all answers in order."""
    told: list[Any] = []

    async def say(call: Any) -> Any:
        answer = await engine.send(call)
        told.append(answer)
        return answer

    engine.space = Space(engine.space.queue, completed=Retention(count=3), failed=Retention(count=3))
    space, types = engine.space, [email, push]
    now = engine.now
    ada = new(email, terms=b"ada\0customer")
    told.append(await engine.enqueue(*[ada] * 4, push, new(push, due=b"+1000", token="t"), new(email, watch=True)))
    told.append(await engine.enqueue(new(push, token="t"), new(push, priority=-5)))
    told.append(await engine.repeat())
    await say(calls.beat(space, "w1", b"{}", now_ms=now, lives_ms=9000))
    await say(reads.workers(space, now_ms=now))
    await say(streams.watch(space, [1, 2], now_ms=now, inbox="x", watch_ms=10**6))
    await say(acts.pause(space, push, now_ms=now, by="a", reason="b"))
    told.append(first := await engine.claim(types, 3))
    await say(acts.resume(space, push, now_ms=now))
    told.append(second := await engine.claim(types, 2, worker="w2"))
    told.append(await engine.extend(*first, *second))
    told.append(await engine.report(*(word(one, "log", b"a") for one in first), word(first[0], "progress", b"5 ")))
    told.append(
        await engine.settle(
            ending(first[0], "complete", b"1"),
            ending(first[1], "fail", b'{"type":"E"}'),
            ending(first[2], "fail", retry_ms=500),
        )
    )
    told.append(await engine.settle(ending(second[0], "release"), ending(first[0], "complete", b"1")))
    told.append(await engine.turn(ending(second[1], "discard"), types=types, most=1))
    told.append(third := (await engine.claim(types, 1, worker="w2"))[0])
    await say(calls.keep(space, member(third.id), third.token, "step", b"1", now_ms=now))
    await say(calls.recall(space, member(third.id), third.token, "step"))
    told.append(await engine.settle(ending(third, "park", b"3")))
    await say(acts.act(space, "retry", [third.id], now_ms=now))
    queries = ("ada", "customer:a* state:failed", "age<1h", "id:1", "error:e")
    told.extend([list((await engine.find(query)).ids) for query in queries])
    for verb in ("promote", "cancel", "retry", "remove", "retry"):
        await say(acts.act(space, verb, [1, 2, 3, 6, 99], now_ms=now))
    engine.clock.advance(LEASE_MS / 1000 + 1)
    told.append(rescued := await engine.claim(types, 20, poison=0))
    told.append(await engine.complete(*rescued))
    await say(retention.prune(space, email, now_ms=engine.now))
    await say(reads.counts(space, types))
    await say(acts.edit(space, 7, now_ms=now, by="ada", priority=3, data=b"[]", retry=True))
    await say(acts.order(space, "w1", "drain", now_ms=now, by="ada"))
    await say(acts.write_down(space, "ada", "clone", 1, 2, now_ms=now))
    sums = Sums([3, 1, 0], {4: 2, 99: 7, 105: 4, 199: 20})
    await say(calls.tally(space, "w1", {email: sums, push: sums}, now_ms=now, name="n"))
    await say(reads.stats(space, types, now_ms=now))
    await say(reads.history(space, email, span="minute", seconds=60, count=3, now_ms=now))
    await say(reads.ever(space))
    await say(reads.audit(space, before=None, most=10))
    await say(reads.failures(space, email, skip=0, most=10))
    for state in State:
        await say(reads.page(space, email, state, newest_first=True, after=None, most=3))
    told.append([job.status for job in await engine.fetch(*range(1, 10))])
    told.append(await engine.logs(1))
    await say(retention.measure(space, email, State.COMPLETED, None))
    await say(retention.evict(space, email, State.COMPLETED, until_ms=engine.now, bytes=1, now_ms=engine.now))
    await say(retention.trim(space, 10**6, now_ms=engine.now))
    told.append(await engine.happened())
    return [shown(answer) for answer in told]


def shown(answer: Any) -> Any:
    """Something that can be compared: records have no equality of their own."""
    match answer:
        case reads.Slice(jobs, more):
            return [(job.id, job.status) for job in jobs], more
        case [Described(), *_]:
            return [(job.id, job.status) for job in answer]
        case _:
            return answer


async def told(engine: Engine) -> set[str]:
    """The names of the events that happened."""
    return {event for event, _ in await engine.events()}
