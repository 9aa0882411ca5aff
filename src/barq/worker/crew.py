"""Crew: a worker of several queues, or of a queue's partitions. An engine for each, which is a worker without slots of its own.

What they share: the slots (rota.py), the wait for work (bell.py), threads, child processes and the heartbeat. The connection
too, where all partitions are on one server; each has its own in a cluster.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from barq.aio import cancelled
from barq.errors import InvalidType, InvalidValue, shown
from barq.outcome import Outcome
from barq.partitioned import PartitionedQueue
from barq.queue import Queue
from barq.store.store import Store
from barq.worker.attempt import Attempt
from barq.worker.bell import LONGEST_WAIT_APART, LONGEST_WAIT_SECONDS, Bell, Seat
from barq.worker.claim import Waiting
from barq.worker.lease import Heartbeat
from barq.worker.pool import ThreadPool
from barq.worker.rota import PatientStore, Rota, SharedSlots
from barq.worker.run import Runner
from barq.worker.settle import Words
from barq.worker.slots import Slots
from barq.worker.upkeep import BEAT_SECONDS
from barq.worker.worker import Worker, checked_queue

if TYPE_CHECKING:
    from barq.worker.processes import Children

log = logging.getLogger("barq.worker")

OTHERS_BEAT_SECONDS: Final = 10.0
"""The first engine says every two seconds that the worker lives, and hears what it is told; for the others this will do."""


class Crew(Worker):
    """What `barq.Worker` makes of several queues. `engines`: one per queue or partition."""

    def __init__(self, queue: Any, *, types: Iterable[str] | None = None, **options: Any) -> None:
        queues = [checked_queue(one) for one in (queue if isinstance(queue, list | tuple) else [queue])]
        self._types_of = _types_of(queues, types)
        self.queues = [one for one in queues if self._types_of[one]] or queues
        handled = {type_ for of_queue in self._types_of.values() for type_ in of_queue}
        first = self.queues[0]
        # of types that no queue has a handler for, or of a queue without any, the worker of one queue says what is wrong
        unknown = [] if types is None else [type_ for type_ in types if type_ not in handled]
        super().__init__(first, types=unknown or self._types_of[first], **options)
        self.types = sorted(handled)
        self._order = ""
        own = {name: value for name, value in options.items() if name not in ("burst", "children")}
        parts = [(part, self._types_of[one]) for one in self.queues for part in _parts(one)]
        self.engines = [
            Engine(part, crew=self, number=number, types=of_queue, **own)
            for number, (part, of_queue) in enumerate(parts)
        ]

    def _prepared_children(self, count: int | None) -> "tuple[Callable[..., Children] | None, int]":
        return self._children_for(count, [(part, self._types_of[one]) for one in self.queues for part in _parts(one)])

    def _build(self) -> None:
        self._loop = self._runs_in = asyncio.get_running_loop()
        self.rota = Rota(concurrency=self.concurrency, threads=self.threads, children=self.children)
        self.pool = ThreadPool(self._run_plain, self._ended_in, most=self.threads)
        self.stores: dict[Queue, Store] = {}
        self._bells: dict[Queue, Bell] = {}
        self._ringing: list[asyncio.Task[None]] = []
        if self._make_children is not None:
            self.child_processes = self._make_children(
                self._runner_of, self._words_of, began=self._began_in, ended=self._ended_in
            )

    # ---- life

    async def _reach_server(self) -> bool:
        """As far as it has to be known into how many partitions a queue is cut; the rest is up to each engine."""
        for queue in self.queues:
            if isinstance(queue, PartitionedQueue) and not await self._reached(queue):
                return False
        return True

    async def _reached(self, queue: PartitionedQueue) -> bool:
        store = Store(queue.target, queue.clock, timeout=5.0)
        checking = self._loop.create_task(queue.check(store, timeout=None))
        stopped = self._loop.create_task(self._stop.wait())
        try:
            await asyncio.wait([checking, stopped], return_when=asyncio.FIRST_COMPLETED)
            if not checking.done():
                return False
            checking.result()
            if queue.on_one_server:
                self.stores |= dict.fromkeys(queue.parts, store)
            return True
        finally:
            await cancelled([checking, stopped])
            if store not in self.stores.values():
                await store.close()

    async def _work(self) -> None:
        charges = [engine._charge() for engine in self.engines]
        self._heartbeat = Heartbeat(charges, self.queue.clock, lease_ms=self._lease_ms)
        self._heartbeat.start()
        log.info("worker %s: %d slots for %s", self.id, self.concurrency, ", ".join(self.types))
        try:
            async with asyncio.TaskGroup() as self._loops:
                engines = [
                    self._loops.create_task(engine.run(signals=False), name="barq engine") for engine in self.engines
                ]
                await self._until_stopped()
                await asyncio.wait(engines)
                for task in self._ringing:
                    task.cancel()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            await self._close()
            log.info("worker %s: stopped after %d runs", self.id, self.done)

    async def _until_stopped(self) -> None:
        while not self._stop.is_set() and not (self.burst and all(engine.quiet for engine in self.engines)):
            self._something_ended.clear()
            waits = [asyncio.ensure_future(event.wait()) for event in (self._something_ended, self._stop)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await cancelled(waits)
        self._stop.set()

    async def _close(self) -> None:
        self.rota.close()
        self.pool.close()
        if self.children:
            await self.child_processes.close()
        await self._heartbeat.stop()
        for bell in self._bells.values():
            await bell.close()
        for store in self.stores.values():
            await store.close()

    def drain(self, drains: bool = True) -> None:
        self.rota.drained = drains
        for engine in self.engines:
            engine.drain(drains)

    def _ordered(self, order: str) -> None:
        """Each engine hears of it, and the first one counts."""
        if order != self._order:
            self._order = order
            super()._ordered(order)

    # ---- for the engines

    def seat_of(self, engine: "Engine") -> Seat:
        """Its place at the bell of its queue, or where its partition is on another server than others at its own."""
        shared, queue = self.stores.get(engine.queue), engine.queue
        front = next((one for one in self.queues if queue in _parts(one)), queue) if shared is not None else queue
        if front not in self._bells:
            apart = LONGEST_WAIT_SECONDS * queue.partitions if shared is None else 0
            longest = max(LONGEST_WAIT_SECONDS, min(LONGEST_WAIT_APART, apart))
            ear = Store(queue.target, queue.clock, timeout=None)
            self._bells[front] = bell = Bell(shared or engine.store, ear, longest=longest)
            self._ringing.append(self._loops.create_task(bell.run(), name="barq bell"))
        return Seat(engine, self._bells[front], nothing=self._something_ended.set)

    @property
    def running(self) -> int:
        return sum(engine.running for engine in self.engines)

    @property
    def done(self) -> int:
        return sum(engine.done for engine in self.engines)

    # ---- where an attempt belongs

    def _of(self, attempt: Attempt) -> "Engine":
        return self.engines[attempt.lane.queue]

    def _run_plain(self, attempt: Attempt, loop: asyncio.AbstractEventLoop) -> Outcome:
        return self._of(attempt)._runner.run_plain(attempt, loop)

    def _runner_of(self, attempt: Attempt) -> Runner:
        return self._of(attempt)._runner

    def _words_of(self, attempt: Attempt) -> Words:
        return self._of(attempt)._words

    def _began_in(self, attempt: Attempt) -> None:
        self._of(attempt)._held.began(attempt)

    def _ended_in(self, attempt: Attempt, outcome: Outcome) -> None:
        self._of(attempt)._held.ended(attempt, outcome)


class Engine(Worker):
    """The worker of one queue in a crew: it claims, runs and settles that one's jobs."""

    _said_as = logging.DEBUG
    _beat_seconds = OTHERS_BEAT_SECONDS
    _idle_beats = 1

    def __init__(self, queue: Queue, *, crew: Crew, number: int, **options: Any) -> None:
        super().__init__(queue, **options)
        self.id = crew.id
        self.children = crew.children
        self._crew = crew
        self._number = number
        if number == 0:
            self._beat_seconds = BEAT_SECONDS
        self._stop, self._stop_now, self._something_ended = crew._stop, crew._stop_now, crew._something_ended

    def _prepared_children(self, _: int | None) -> "tuple[Callable[..., Children] | None, int]":
        return None, 0

    def _build(self) -> None:
        self.rota = self._crew.rota
        super()._build()
        self._heartbeat = NoHeartbeat()

    def _make_slots(self, **_: int) -> Slots:
        self.slots = SharedSlots(
            self.rota,
            self.queue.handlers,
            self.types,
            queue=self._number,
            space=self.queue.space,
            kick=lambda: self._turns.kick(),
        )
        return self.slots

    def _make_store(self) -> Store:
        shared = self._crew.stores.get(self.queue)
        self.store = shared or PatientStore(self.queue.target, self.queue.clock, timeout=5.0, slots=self.slots)
        return self.store

    def _make_pools(self) -> None:
        self._pool = self._crew.pool
        if self.children:
            self._children = self._crew.child_processes

    def _make_listener(self) -> Waiting:
        return self._crew.seat_of(self)

    def _ordered(self, order: str) -> None:
        self._crew._ordered(order)

    @property
    def quiet(self) -> bool:
        """Nothing is left to claim, to run or to settle."""
        if self._runs_in is None:
            return False
        return self._listener.found_nothing and self._turns.quiet and not self._held

    async def pass_on(self, types: list[str]) -> None:
        """Say again that there is work of these types, for other workers."""
        await self._store.send(self._turns.claim([(type_, 1) for type_ in types], 0), timeout=2.0)

    async def _close(self) -> None:
        if self.queue not in self._crew.stores:
            await self.store.close()


class NoHeartbeat(Heartbeat):
    """The crew has one for all."""

    def __init__(self) -> None: ...

    def start(self) -> None: ...

    async def stop(self) -> None: ...


def _types_of(queues: list[Queue], types: Iterable[str] | None) -> dict[Queue, list[str]]:
    """Which types each queue is worked for."""
    if not queues or len(set(queues)) != len(queues):
        raise InvalidValue(f"a worker of several queues needs a list of them, each once, got {queues!r}")
    if types is not None and (isinstance(types, str) or not isinstance(types, Iterable)):
        raise InvalidType(f"types must be a list of types, got {shown(types)}")
    return {one: [handler.type for handler in one.handlers if types is None or handler.type in types] for one in queues}


def _parts(queue: Queue) -> Sequence[Queue]:
    return queue.parts if isinstance(queue, PartitionedQueue) else [queue]
