"""Every state a server may be in, against everything that is asked of it: a typed error, or it goes on by itself; and
whatever was asked is done once in the end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import pytest

import barq
from barq.protocol import acts, calls, reads, retention, streams
from barq.protocol.call import Call, Space
from barq.record import member
from barq.states import State
from barq.store.store import Store
from barq.store.talk import Wire
from barq.store.target import target_of_url
from tests.commands.engine import LEASE_MS, Engine, Held, capped, ending, word
from tests.support import Server, free_port, until, wait_until
from tests.worker.running import working

ADA: Final = ("--user", "ada", "on", ">secret", "~*", "&*", "+@all")
Hurdle = Callable[[Server], contextlib.AbstractAsyncContextManager[None]]
OK, WAITS, FULL, DENIED = "ok", "waits", "QueueFull", "PermissionDenied"


def tell(server: Server, *words: str) -> Any:
    with Wire.dial("127.0.0.1", server.port, timeout=5) as wire:
        return wire.ask(*words)


def says(server: Server, *words: str) -> str:
    try:
        return str(tell(server, *words))
    except barq.ServerError as error:
        return str(error)


@pytest.fixture
async def engine(server: Server, name: str, clock: barq.ManualClock) -> AsyncIterator[Engine]:
    store = Store(target_of_url(server.url), clock, timeout=5.0)
    yield Engine(store, Space(name), clock)
    await store.close()


# ---- states


@contextlib.asynccontextmanager
async def out_of_memory(server: Server) -> AsyncIterator[None]:
    tell(server, "CONFIG", "SET", "maxmemory", "1")
    yield
    tell(server, "CONFIG", "SET", "maxmemory", "0")


@contextlib.asynccontextmanager
async def read_only(server: Server) -> AsyncIterator[None]:
    tell(server, "REPLICAOF", "127.0.0.1", str(free_port()))
    yield
    tell(server, "REPLICAOF", "NO", "ONE")


@contextlib.asynccontextmanager
async def busy(server: Server) -> AsyncIterator[None]:
    tell(server, "CONFIG", "SET", "busy-reply-threshold", "20")
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"EVAL 'while true do end' 0\r\n")
    await writer.drain()
    await asyncio.to_thread(wait_until, lambda: "BUSY" in says(server, "GET", "x"), "the server is busy")
    yield
    tell(server, "SCRIPT", "KILL")
    writer.close()


@contextlib.asynccontextmanager
async def loading(server: Server) -> AsyncIterator[None]:
    """It was killed and reads its append-only file, slowly: it takes a nap for each command that stands there, for
    minutes if it is not told otherwise."""
    tell(server, "EVAL", "for n = 1, 50000 do redis.call('SET', 'much', n) end", "0")
    server.kill()
    before, server.options = server.options, (*server.options, *ADA, "--key-load-delay", "500")
    server.launch()
    server.options = before
    await asyncio.to_thread(wait_until, lambda: "LOADING" in answer(server, "GET", "x"), "the server loads")
    yield
    assert "LOADING" in answer(server, "GET", "x")
    tell(server, "CONFIG", "SET", "key-load-delay", "0")


def answer(server: Server, *words: str) -> str:
    """What it says, also while nobody listens."""
    try:
        return says(server, *words)
    except OSError:
        return ""


@contextlib.asynccontextmanager
async def other_password(server: Server) -> AsyncIterator[None]:
    tell(server, "ACL", "SETUSER", "ada", "resetpass", ">other")
    tell(server, "CLIENT", "KILL", "USER", "ada")
    yield
    tell(server, "ACL", "SETUSER", "ada", ">secret")


@contextlib.asynccontextmanager
async def no_scripts(server: Server) -> AsyncIterator[None]:
    tell(server, "ACL", "SETUSER", "ada", "-@scripting")
    yield
    tell(server, "ACL", "SETUSER", "ada", "+@scripting")


@contextlib.asynccontextmanager
async def too_many_clients(server: Server) -> AsyncIterator[None]:
    with Wire.dial("127.0.0.1", server.port, timeout=5) as boss:
        most = dict([boss.ask("CONFIG", "GET", "maxclients")[i : i + 2] for i in (0,)])  # type: ignore[index]
        boss.ask("CLIENT", "KILL", "USER", "ada")
        boss.ask("CONFIG", "SET", "maxclients", "1")
        yield
        boss.ask("CONFIG", "SET", "maxclients", *map(str, most.values()))


@contextlib.asynccontextmanager
async def without_scripts_in_its_cache(server: Server) -> AsyncIterator[None]:
    tell(server, "SCRIPT", "FLUSH")
    yield


WRITES: Final = ("enqueue", "claim", "settle", "turn", "extend", "report", "keep", "beat", "cancel", "retry", "prune")
READS: Final = ("counts", "fetch", "page", "events")


def row(writes: str, reads: str, **others: str) -> dict[str, str]:
    return dict.fromkeys(WRITES, writes) | dict.fromkeys(READS, reads) | others


STATES: Final[dict[str, tuple[Hurdle, dict[str, str]]]] = {
    "OOM": (out_of_memory, row(OK, OK, enqueue=FULL, retry=FULL)),
    "READONLY": (read_only, row(WAITS, OK)),
    "BUSY": (busy, row(WAITS, WAITS)),
    "LOADING": (loading, row(WAITS, WAITS)),
    "WRONGPASS in mid-run": (other_password, row(WAITS, WAITS)),
    "NOPERM": (no_scripts, row(DENIED, DENIED, events=OK)),
    "maxclients": (too_many_clients, row(WAITS, WAITS)),
    "NOSCRIPT": (without_scripts_in_its_cache, row(OK, OK)),
}


# ---- what is asked


class Asked:
    """One queue with a job for each operation, and a connection of its own for each, made before the state begins."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self.engine = Engine(self._store(), Space(name), barq.ManualClock())
        self.calls: dict[str, Call[Any]] = {}
        self.stores: dict[str, Store] = {}

    def _store(self) -> Store:
        return Store(target_of_url(self.url), barq.ManualClock(), timeout=20.0)

    async def prepare(self) -> None:
        engine, space, now = self.engine, self.engine.space, self.engine.now
        await engine.enqueue(*["email"] * 8, "push", "push", "later")
        self.held: list[Held] = await engine.claim(most=7)
        settled, turned, extended, said, stepped, failed, _ = self.held
        await engine.fail(failed)
        done = [(*settled.holding, b"complete", b"", b"1")], [(*turned.holding, b"complete", b"", b"2")]
        terms = {"now_ms": now, "worker": "w1", "nonce": "turn", "lease_ms": LEASE_MS, "most": 1}
        self.calls = {
            "enqueue": engine.enqueue_call("new"),
            "claim": engine.claim_call("push", 1),
            "settle": calls.settle(space, done[0], now_ms=now),
            "turn": calls.turn(space, done[1], capped("push", 1), **terms),
            "extend": calls.extend(space, [extended.holding], now_ms=now, lease_ms=LEASE_MS * 2),
            "report": calls.report(space, [word(said, "log", b"a line")], now_ms=now),
            "keep": calls.keep(space, member(stepped.id), stepped.token, "step", b"1", now_ms=now),
            "beat": calls.beat(space, "w1", b"{}", now_ms=now, lives_ms=9000),
            "cancel": acts.act(space, "cancel", [8], now_ms=now),
            "retry": acts.act(space, "retry", [failed.id], now_ms=now),
            "prune": retention.prune(space, "later", now_ms=now),
            "counts": reads.counts(space, ["email"], now_ms=now),
            "fetch": reads.fetch(space, [1]),
            "page": reads.page(space, "later", State.WAITING, newest_first=False, after=None, most=5),
            "events": streams.read(space, streams.events_key(space), b"0-0", block_ms=None),
        }
        for name in self.calls:
            self.stores[name] = self._store()
            await self.stores[name].send(calls.ping(space))

    async def all_is_done_once(self) -> None:
        """What the operations were to do has happened, and only once."""
        engine = self.engine
        happened = [event for event, _ in await engine.events()]
        assert {name: happened.count(name) for name in ("complete", "cancel", "retry", "failed", "log")} == {
            "complete": 2,
            "cancel": 1,
            "retry": 1,
            "failed": 1,
            "log": 1,
        }
        assert happened.count("start") == 9
        assert await engine.counts("new") == {"waiting": 1}
        assert await engine.counts("push") == {"active": 2}
        assert await engine.counts("later") == {"waiting": 1}
        assert await engine.counts() == {"waiting": 1, "active": 4, "completed": 2, "cancelled": 1}
        assert await engine.logs(self.held[3].id) == ["a line"]
        await engine.assert_conserved(list(range(1, 13)), "email", "push", "later", "new")

    async def close(self) -> None:
        for store in (*self.stores.values(), self.engine.store):
            await store.close()


@pytest.mark.parametrize("state", STATES)
async def test_what_is_asked_of_a_server_in_a_state(own_server: Server, name: str, state: str) -> None:
    hurdle, expected = STATES[state]
    tell(own_server, "ACL", "SETUSER", "ada", "on", ">secret", "~*", "&*", "+@all")
    asked = Asked(own_server.url.replace("//", "//ada:secret@"), name)
    await asked.prepare()
    assert asked.calls.keys() == expected.keys()
    try:
        async with hurdle(own_server):
            running = {
                what: asyncio.create_task(asked.stores[what].send(call), name=what)
                for what, call in asked.calls.items()
            }
            due = [task for what, task in running.items() if expected[what] != WAITS]
            if due:
                await asyncio.wait(due, timeout=10)
            await asyncio.sleep(0.3 if len(due) < len(running) else 0)  # long enough for an answer that should not come
            found = {what: outcome(task) for what, task in running.items()}
        assert found == expected
        await asyncio.wait(running.values(), timeout=20)
        for what, task in running.items():
            if expected[what] in (OK, WAITS):
                task.result()
            else:  # the caller asks again
                await asked.stores[what].send(asked.calls[what])
        await asked.all_is_done_once()
    finally:
        await asked.close()


def outcome(task: "asyncio.Task[Any]") -> str:
    if not task.done():
        return WAITS
    return OK if task.exception() is None else type(task.exception()).__name__


# ---- workers in these states


@pytest.mark.parametrize("state", STATES)
async def test_a_worker_goes_on_by_itself_afterwards(own_server: Server, name: str, state: str) -> None:
    tell(own_server, "ACL", "SETUSER", "ada", "on", ">secret", "~*", "&*", "+@all")
    url = own_server.url.replace("//", "//ada:secret@")
    async with barq.Queue(name, url=url, timeout=None) as queue:
        gate, ran = asyncio.Event(), list[int]()

        @queue.handler("email")
        async def send(job: barq.Job) -> int:
            ran.append(job.id)
            await gate.wait()
            return job.id

        async with working(queue, lease=60):
            jobs = await queue.enqueue_many("email", range(20))
            await until(lambda: _all(ran, 20), "all run")
            async with STATES[state][0](own_server):
                gate.set()
                await asyncio.sleep(0.3)
            late = await queue.enqueue_many("email", range(5))
            assert [await job.result(30) for job in (*jobs, *late)] == [job.id for job in (*jobs, *late)]
        assert sorted(ran) == [job.id for job in (*jobs, *late)]


async def _all(ran: list[int], count: int) -> bool:
    return len(ran) == count


async def test_an_eviction_policy_that_is_changed_in_mid_run_is_told(
    own_server: Server, name: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("barq.Worker._beat_seconds", 0.05)
    monkeypatch.setattr("barq.worker.upkeep._CHORES_SECONDS", 0.05)
    async with barq.Queue(name, url=own_server.url) as queue:

        @queue.handler("email")
        async def send(job: barq.Job) -> None: ...

        async with working(queue):
            await (await queue.enqueue("email")).result(10)
            await until(lambda: _waits(own_server), "it waits and makes no new connection")
            tell(own_server, "CONFIG", "SET", "maxmemory", "500mb", "maxmemory-policy", "allkeys-lru")
            told = "set maxmemory-policy to noeviction"
            await until(lambda: _says(caplog, told), "the worker says so", seconds=30)
            await (await queue.enqueue("email")).result(10)  # what is there goes on


async def _waits(server: Server) -> bool:
    return "blocked_clients:0" not in str(tell(server, "INFO", "clients"))


async def _says(caplog: pytest.LogCaptureFixture, text: str) -> bool:
    return text in caplog.text


# ---- the server's clock


@pytest.mark.parametrize("hours", [1, -1])
async def test_when_the_clock_jumps_every_job_still_completes_once(engine: Engine, hours: int) -> None:
    await engine.enqueue(*["email"] * 3)
    first, second, third = await engine.claim(most=3)
    await engine.settle(ending(third, "fail", retry_ms=1000))
    engine.clock.advance(hours * 3600)
    found = await engine.claim(worker="w2")
    if hours > 0:  # all leases have run out, and what is delayed is due: the others are refused from now on
        assert sorted(one.id for one in found) == [1, 2, 3]
        assert await engine.extend(first, second) == [1, 2]
        assert await engine.complete(first, second) == [1, 2]
        assert await engine.complete(*found) == []
    else:  # leases last longer, and so does the delay; who holds a job ends it
        assert found == []
        assert await engine.extend(first, second) == []
        assert await engine.complete(first, second) == []
        assert await engine.due_in_ms() == 3_600_000 + 1000
        await engine.act("promote", 3)
        assert await engine.complete(*await engine.claim()) == []
    assert await engine.counts() == {"completed": 3}
    assert [event for event, _ in await engine.events()].count("complete") == 3


@pytest.mark.parametrize("hours", [1, -1])
async def test_a_worker_lives_through_a_jump_of_the_servers_clock(
    moved_queue: barq.Queue, clock: barq.ManualClock, hours: int
) -> None:
    gate, ended = asyncio.Event(), list[int]()

    @moved_queue.handler("email")
    async def send(job: barq.Job) -> None:
        await gate.wait()
        ended.append(job.id)

    async with working(moved_queue, lease=2):
        jobs = await moved_queue.enqueue_many("email", range(10))

        async def all_run() -> bool:
            return (await moved_queue.counts())["active"] == 10

        await until(all_run, "all run")
        clock.advance(hours * 3600)
        more = await moved_queue.enqueue_many("email", range(10, 15))
        gate.set()

        async def all_done() -> bool:
            return (await moved_queue.counts())["completed"] == 15

        await until(all_done, "all have completed")
    completed = [event.job_id async for event in moved_queue.events("0", wait=False) if event.name == "complete"]
    assert sorted(completed) == [job.id for job in (*jobs, *more)]
