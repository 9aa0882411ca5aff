"""A queue in which there is one of everything that is stored, by a clock that stands still, and its keys as text.

`python -m tests.wire.golden.story URL FILE` writes them into a new file, which is what a release does once.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec

import barq
from barq.protocol import calls
from barq.record import member
from barq.store.store import Store
from barq.store.target import target_of_url
from barq.sums import RUNNING, WAITING, Sums
from barq.workers import WorkerInfo
from tests.commands.engine import Engine, Held, ending, word

ERROR = b'{"type":"ValueError","message":"no such address","place":"mail.py:7"}\nTraceback (most recent call last):\nValueError'
START_MS = 1_700_000_000_000
PASSING = ("once:", "said:", "tally:", "inbox:", "watch")
"""Beginnings of keys that name one call or one listener, and live for minutes."""


def engine_of(url: str, queue: barq.Queue) -> Engine:
    assert isinstance(queue.clock, barq.ManualClock)
    return Engine(Store(target_of_url(url), queue.clock, timeout=20.0), queue.space, queue.clock)


async def tell(url: str, name: str) -> dict[str, Any]:
    """Play the story; returns all keys of the queue."""
    async with barq.Queue(name, url=url, clock=barq.ManualClock(START_MS)) as queue:
        engine = engine_of(url, queue)
        try:
            await _enqueue(queue)
            await _run(engine)
            await _steer(engine, queue)
            return as_text(await engine.dump(), queue.space.prefix)
        finally:
            await engine.store.close()


async def _enqueue(queue: barq.Queue) -> None:
    await queue.enqueue("email", {"to": "ann@example.org"})  # 1: completes, with all that may be kept of it
    await queue.enqueue(  # 2: fails twice and is tried again
        "email",
        {"to": "bob", "customer": 42},
        priority="high",
        attempts=5,
        backoff=barq.exponential(2.0),
        timeout=30,
        title="Mailbox full",
        index=("customer",),
    )
    await queue.enqueue("email", {"to": "cem"}, attempts=2, backoff=barq.fixed(5))  # 3: fails for good
    await queue.enqueue("email", [1, 2.5, None, "ü"])  # 4: parked
    await queue.enqueue("email", "held")  # 5: is running, after it was rescued once
    await queue.enqueue("email", "cancelled", priority=-3, token="a token")  # 6
    await queue.enqueue("email", {"to": "dee"}, delay=60, remove_on_complete=True)  # 7: delayed
    await queue.enqueue("email", "waits")  # 8: waits, its data edited
    await queue.enqueue("re:port {x} 🙂")  # 9: waits, without data, of a type that is paused


async def _run(engine: Engine) -> None:
    engine.clock.advance(1)
    await engine.act("cancel", 6)
    by_id = {one.id: one for one in await engine.claim(most=5, worker="worker-1", nonce="nonce1")}
    first, second, third, fourth = (by_id[id] for id in (1, 2, 3, 4))
    await engine.report(
        word(first, "log", b"a line"), word(first, "progress", b'50 {"half":true}'), word(second, "log", "ü".encode())
    )
    await engine.send(calls.keep(engine.space, member(1), first.token, "charge", b'"receipt 7"', now_ms=engine.now))
    await engine.send(calls.keep(engine.space, member(2), second.token, "charge", b'"receipt 8"', now_ms=engine.now))
    await engine.complete(first, body=b'{"sent":true}')
    await engine.settle(
        ending(second, "fail", ERROR, retry_ms=10), ending(third, "fail", ERROR), ending(fourth, "park", ERROR)
    )
    engine.clock.advance(0.01)
    again = await _claimed(engine, 2, nonce="nonce2")
    await engine.settle(ending(again, "fail", ERROR, retry_ms=3_600_000))
    engine.clock.advance(31)  # the lease of 5 runs out
    await _claimed(engine, 5, nonce="nonce3")


async def _claimed(engine: Engine, id: int, *, nonce: str) -> Held:
    (one,) = await engine.claim(most=1, worker="worker-2", nonce=nonce)
    assert one.id == id, one
    return one


async def _steer(engine: Engine, queue: barq.Queue) -> None:
    assert await engine.edit(8, data=b'{"to":"eve"}', priority=5, by="ada@host") == ""
    await engine.pause("re:port {x} 🙂", by="ada@host", reason="deploy", lasts_ms=86_400_000)
    info = WorkerInfo(
        id="worker-2", host="host", pid=7, version="0.1", concurrency=10, running=1, types=["email"],
        started_ms=START_MS, memory_bytes=1000, limits={"email": 5},
    )  # fmt: skip
    await engine.beat("worker-2", msgspec.json.encode(info), lives_ms=10_000_000)
    await engine.order("worker-2", "drain", by="ada@host")
    sums = Sums([1, 1, 2])
    sums.took(WAITING, 1000, 4)
    sums.took(RUNNING, 20, 4)
    await engine.send(calls.tally(queue.space, "worker-2", {"email": sums}, now_ms=engine.now, name="first"))


# ---- keys as text


def as_text(dump: dict[bytes, Any], prefix: bytes) -> dict[str, Any]:
    """Each key without the queue's prefix, with its kind and what it holds; a byte is the character of its number."""
    told = {}
    for key, value in dump.items():
        name = key.removeprefix(prefix).decode("latin-1")
        if not name.startswith(PASSING):
            told[name] = _text(value)
    return told


def _text(value: Any) -> Any:
    match value:
        case bytes():
            return value.decode("latin-1")
        case dict():
            return {_text(field): _text(one) for field, one in sorted(value.items())}
        case list():
            return [_text(one) for one in value]
        case _:
            return value


async def restore(engine: Engine, told: dict[str, Any], kinds: dict[str, str]) -> None:
    """Put the keys of a golden file into a queue."""
    for name, value in told.items():
        key = engine.space.prefix + name.encode("latin-1")
        match kinds[name]:
            case "string":
                await engine.command("SET", key, _bytes(value))
            case "hash":
                await engine.command("HSET", key, *(_bytes(one) for pair in value.items() for one in pair))
            case "zset":
                for at in range(0, len(value), 2):
                    await engine.command("ZADD", key, _bytes(value[at + 1]), _bytes(value[at]))
            case "list":
                await engine.command("RPUSH", key, *map(_bytes, value))
            case _:
                for position, fields in value:
                    await engine.command("XADD", key, _bytes(position), *map(_bytes, fields))


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")


async def kinds_of(engine: Engine, told: dict[str, Any]) -> dict[str, str]:
    return {
        name: (await engine.command("TYPE", engine.space.prefix + name.encode("latin-1"))).decode() for name in told
    }


async def _write(url: str, file: Path) -> None:
    told = await tell(url, "golden")
    async with barq.Queue("golden", url=url, clock=barq.ManualClock(START_MS)) as queue:
        engine = engine_of(url, queue)
        kinds = await kinds_of(engine, told)
        await engine.store.close()
    text = msgspec.json.format(msgspec.json.encode({"kinds": kinds, "keys": told}), indent=1)
    await asyncio.to_thread(file.write_bytes, text + b"\n")


if __name__ == "__main__":
    if Path(sys.argv[2]).exists():
        sys.exit(f"{sys.argv[2]} is there: what a release wrote is never changed, name a new file")
    asyncio.run(_write(sys.argv[1], Path(sys.argv[2])))
