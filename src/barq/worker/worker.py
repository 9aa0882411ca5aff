"""Worker: the life of a process that claims, runs and settles jobs. Its parts have the names of the steps."""

import asyncio
import contextlib
import functools
import logging
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from barq.errors import InvalidType, InvalidValue, shown
from barq.handlers import MOST_CONCURRENT
from barq.options import seconds_to_ms, type_name, whole_number
from barq.outcome import Release
from barq.queue import Queue
from barq.store.store import Store
from barq.worker.attempt import Attempt
from barq.worker.claim import LONGEST_WAIT_SECONDS, Listener, Waiting
from barq.worker.held import CANCEL_SECONDS, Held
from barq.worker.lease import Charge, Heartbeat
from barq.worker.pool import ThreadPool
from barq.worker.run import Runner
from barq.worker.settle import Words
from barq.worker.signals import taken
from barq.worker.slots import Slots
from barq.worker.tally import Tally
from barq.worker.turn import Turns
from barq.worker.upkeep import BEAT_SECONDS, Upkeep

if TYPE_CHECKING:
    from barq.worker.processes import Children

log = logging.getLogger("barq.worker")

HAND_BACK_SECONDS: Final = 0.5
"""How long a handler may take to end after it was cancelled by a stop, before its job goes back."""


def checked_queue(queue: Any) -> Queue:
    queue = getattr(queue, "asyncio", queue)  # barq.sync.Queue carries its twin
    if not isinstance(queue, Queue):
        raise InvalidType(f"a worker needs a barq.Queue, got {queue!r}")
    return queue


def partitioned(queue: Any) -> bool:
    queue = getattr(queue, "asyncio", queue)
    return isinstance(queue, Queue) and queue.partitions > 1


class Worker:
    """Runs the jobs of a queue's handlers and tasks until it is stopped, or those of several queues (a list).

    `concurrency`: jobs at a time, of which at most `threads` in plain functions and, of handlers with run='process',
    `children` in child processes (None: one per processor). `types`: only these (None: all that have a handler).
    `lease`: seconds after which a dead worker's jobs go to others. `grace`: seconds that running jobs get to end at a
    stop. `poison`: a job whose worker was lost that many times, and once more, has failed. `burst`: end when nothing
    waits any more.
    """

    has_run: ClassVar[bool] = False
    """Whether any worker has run in this process: `barq dev` runs one for a file that ran none."""

    _said_as: ClassVar[int] = logging.INFO
    _beat_seconds = BEAT_SECONDS
    _idle_beats = 5

    def __new__(cls, queue: Any = None, *_: Any, **__: Any) -> Self:
        if cls is Worker and (isinstance(queue, list | tuple) or partitioned(queue)):
            from barq.worker.crew import Crew  # who needs none has nothing to pay

            cls = Crew  # type: ignore[assignment]
        return super().__new__(cls)

    def __init__(
        self,
        queue: Any,
        *,
        concurrency: int = 100,
        threads: int = 32,
        children: int | None = None,
        types: list[str] | None = None,
        lease: float = 30.0,
        grace: float = 30.0,
        poison: int = 3,
        burst: bool = False,
    ) -> None:
        queue = checked_queue(queue)
        handled = [handler.type for handler in queue.handlers]
        if types is None:
            types = handled
        if isinstance(types, str) or not isinstance(types, Iterable):
            raise InvalidType(f"types must be a list of types, got {shown(types)}")
        if not isinstance(burst, bool):
            raise InvalidType(f"burst must be True or False, got {shown(burst)}")
        for type_ in types:
            if type_name(type_) not in handled:
                raise InvalidValue(f"type {type_!r} has no handler; there are {', '.join(handled) or 'none'}")
        if not types:
            raise InvalidValue(
                "the queue has no handlers: decorate a function with @queue.handler(type) or @queue.task"
            )
        self.queue = queue
        self.id = f"w{os.urandom(4).hex()}"
        self.types = list(dict.fromkeys(types))
        self.concurrency = whole_number("concurrency", concurrency, least=1, most=MOST_CONCURRENT)
        self.threads = min(whole_number("threads", threads, least=1, most=10_000), self.concurrency)
        self._make_children, self.children = self._prepared_children(children)
        self.burst = burst
        self.stopped_by: int | None = None
        """The signal that ended it, if one did."""
        self._lease_ms = seconds_to_ms("lease", lease, least_ms=100)
        self._grace_ms = seconds_to_ms("grace", grace)
        self._poison = whole_number("poison", poison, least=0, most=1_000_000)
        self._held = Held()
        self._stop = asyncio.Event()
        self._stop_now = asyncio.Event()
        self._something_ended = asyncio.Event()
        self._runs_in: asyncio.AbstractEventLoop | None = None

    def _prepared_children(self, count: int | None) -> "tuple[Callable[..., Children] | None, int]":
        return self._children_for(count, [(self.queue, self.types)])

    def _children_for(
        self, count: int | None, types: list[tuple[Queue, list[str]]]
    ) -> "tuple[Callable[..., Children] | None, int]":
        if count is not None:
            count = min(whole_number("children", count, least=1, most=1000), self.concurrency)
        handlers = [
            (queue, [handler for handler in queue.handlers if handler.in_process and handler.type in of_queue])
            for queue, of_queue in types
        ]
        if not any(of_queue for _, of_queue in handlers):
            return None, 0
        from barq.worker import processes  # who needs none has nothing to pay

        count = count or min(processes.usual_count(), self.concurrency)
        return functools.partial(processes.Children, processes.start_of(handlers), most=count), count

    # ---- life

    async def run(self, *, signals: bool = True) -> None:
        """Work until stop(), SIGINT or SIGTERM. A second signal does not wait for running jobs.

        Raises what makes work impossible from the start: ServerUnsuitable or PermissionDenied. An unreachable server is
        waited for.
        """
        Worker.has_run = True
        self._build()
        with taken(self._signalled) if signals else contextlib.nullcontext():
            if await self._reach_server():
                await self._work()

    async def _work(self) -> None:
        self._heartbeat.start()
        log.log(self._said_as, "worker %s: %d slots for %s", self.id, self.concurrency, ", ".join(self.types))
        try:
            async with asyncio.TaskGroup() as loops:
                listening = loops.create_task(self._listener.run(), name="barq listen")
                upkeep = loops.create_task(self._upkeep.run(), name="barq upkeep")
                self._turns.kick()
                await self._until_stopped()
                await self._wind_down(listening)
                upkeep.cancel()
        finally:
            await self._tear_down()

    def run_blocking(self) -> None:
        """`run` for plain code, in an event loop of its own (uvloop's where that is installed)."""
        try:
            import uvloop
        except ImportError:
            asyncio.run(self.run())
        else:
            uvloop.run(self.run())

    def stop(self, *, now: bool = False) -> None:
        """Claim no more, let running jobs end within the grace time (`now`: not at all), hand back the rest.

        May be called in any thread.
        """
        if self._runs_in is None or asyncio._get_running_loop() is self._runs_in:
            self._stop_here(now)
        else:
            with contextlib.suppress(RuntimeError):  # its loop has ended
                self._runs_in.call_soon_threadsafe(self._stop_here, now)

    @property
    def running(self) -> int:
        """How many jobs it holds now."""
        return len(self._held)

    @property
    def done(self) -> int:
        """Attempts that ended here."""
        return self._held.done

    def _stop_here(self, now: bool) -> None:
        self._stop.set()
        if now:
            self._stop_now.set()

    def _build(self) -> None:
        queue = self.queue
        self._loop = self._runs_in = asyncio.get_running_loop()
        seats = {"threads": self.threads, "children": self.children}
        self._slots = self._make_slots(concurrency=self.concurrency, **seats)
        self._store = self._make_store()
        self._ear = Store(queue.target, queue.clock, timeout=None)
        self._words = words = Words(self._store, queue.space, queue.clock, queue.codec)
        self._tally = tally = Tally()
        self._runner = Runner(queue, words, self._held.all_ended)
        self._make_pools()
        self._turns = Turns(
            self._store,
            queue.space,
            queue.clock,
            self._slots,
            words,
            tally,
            worker_id=self.id,
            concurrency=self.concurrency,
            lease_ms=self._lease_ms,
            poison=self._poison,
            start=self._held.start,
            settled=self._held.settled,
            nothing=lambda brought, room: self._listener.nothing_to_claim(brought, room),
        )
        self._listener = self._make_listener()
        self._held.connect(
            slots=self._slots,
            tally=tally,
            runner=self._runner,
            turns=self._turns,
            listener=self._listener,
            pool=self._pool,
            children=self._children if self.children else None,
            stop=self._stop,
            something_ended=self._something_ended,
        )
        self._heartbeat = Heartbeat([self._charge()], queue.clock, lease_ms=self._lease_ms)
        self._upkeep = Upkeep(
            queue,
            self._store,
            tally,
            worker_id=self.id,
            concurrency=self.concurrency,
            types=self.types,
            limits={lane.type: most for lane in self._slots.lanes.values() if (most := lane.handler.concurrency)},
            running=lambda: len(self._held),
            ordered=self._ordered,
            seconds=self._beat_seconds,
            idle_seconds=self._beat_seconds * self._idle_beats,
        )

    def _ordered(self, order: str) -> None:
        """What somebody has told it from outside: drain, stop, or '' when it is to go on."""
        log.info("worker %s is told to %s", self.id, order or "work")
        if order == "stop":
            self.stop()
        else:
            self.drain(order == "drain")

    def drain(self, drains: bool = True) -> None:
        """Claim nothing more, but stay; with False claim again. To be called in the worker's loop."""
        if not self._stop.is_set():
            self._upkeep.draining = drains
            self._turns.claims(not drains)
            self._listener.claims(not drains)

    # what an engine of a crew has from that

    def _make_slots(self, **numbers: int) -> Slots:
        return Slots(self.queue.handlers, self.types, id_of=self.queue.space.id, **numbers)

    def _make_store(self) -> Store:
        return Store(self.queue.target, self.queue.clock, timeout=5.0)

    def _make_pools(self) -> None:
        self._pool = ThreadPool(self._runner.run_plain, self._held.ended, most=self.threads)
        if self._make_children is not None:
            self._children = self._make_children(
                lambda _: self._runner, lambda _: self._words, began=self._held.began, ended=self._held.ended
            )

    def _make_listener(self) -> Waiting:
        return Listener(
            self._store,
            self._ear,
            self.queue.space,
            self._slots,
            self._turns,
            start=self._held.start,
            nothing=self._something_ended.set,
            ordered=lambda: self._upkeep.hurry(),
        )

    def _charge(self) -> Charge:
        return Charge(self.queue.target, self.queue.space, self._held, self._held.lost)

    async def _close(self) -> None:
        self._pool.close()
        if self.children:
            await self._children.close()
        await self._heartbeat.stop()
        await self._store.close()

    def _signalled(self, number: int) -> None:
        again = self._stop.is_set()
        self.stopped_by = number
        if again:
            log.warning("stopping at once; running jobs are handed back")
        else:
            log.info("stopping; %d running jobs have %g s to end", self.running, self._grace_ms / 1000)
        self.stop(now=again)

    async def _reach_server(self) -> bool:
        """Wait for the server; False when a stop came first."""
        reached = self._loop.create_task(self._upkeep.beat(timeout=None))  # a script: it shows missing rights as well
        stopped = self._loop.create_task(self._stop.wait())
        try:
            await asyncio.wait([reached, stopped], return_when=asyncio.FIRST_COMPLETED)
            if not reached.done():
                return False
            reached.result()
            return True
        finally:
            stopped.cancel()
            if not reached.done():
                reached.cancel()
                await self._store.close()

    async def _until_stopped(self) -> None:
        if not self.burst:
            await self._stop.wait()
            return
        while not self._stop.is_set() and not (self._listener.found_nothing and self._turns.quiet and not self._held):
            self._something_ended.clear()
            await self._something_ended.wait()

    async def _wind_down(self, listening: "asyncio.Task[None]") -> None:
        """No new claims, then grace for what runs, then the rest goes back."""
        self._upkeep.stopping = True
        self._turns.claims(False)
        await self._listener.stop()
        if self._ear.connected:
            await asyncio.wait([listening], timeout=LONGEST_WAIT_SECONDS)
        deadline = self._loop.time() + self._grace_ms / 1000
        while self._held and not self._stop_now.is_set() and self._loop.time() < deadline:
            self._something_ended.clear()
            waits = [asyncio.ensure_future(self._something_ended.wait()), asyncio.ensure_future(self._stop_now.wait())]
            await asyncio.wait(waits, timeout=deadline - self._loop.time(), return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        await self._hand_back(list(self._held.values()))
        listening.cancel()

    async def _hand_back(self, attempts: list[Attempt]) -> None:
        """Running handlers are cancelled; their jobs go back without burning an attempt."""
        for attempt in attempts:
            attempt.handed_back = True
            self._held.end_early(attempt)
        if tasks := [attempt.task for attempt in attempts if attempt.task is not None]:
            await asyncio.wait(tasks, timeout=HAND_BACK_SECONDS)
        if self.children:
            await self._children.gone(attempts)
        for attempt in attempts:
            self._held.settle(attempt, Release())

    async def _tear_down(self) -> None:
        self._stop.set()  # it is not when run() was cancelled
        self._turns.claims(False)
        await self._ear.close()  # or its wait would claim what is handed back
        await self._hand_back([attempt for attempt in self._held.values() if not attempt.ended])
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                if self._held or self._store.connected:  # a claim alone is not worth waiting for the server
                    await self._turns.drain()
                if self._store.connected:
                    await self._upkeep.leave()
        except Exception as error:
            log.warning("the server could not be told of the end: %s", str(error) or "no answer in time")
        if self._held:
            log.warning("%d jobs run again when their leases have run out", len(self._held))
        await self._turns.close()
        await self._words.close()
        self._runner.carriers.close()
        await self._close()
        log.log(self._said_as, "worker %s: stopped after %d runs", self.id, self.done)
