"""A worker process of a run: python -m tests.faults.worker FOLDER URL SLOT TERMS. It is killed, frozen and blocked.

It writes down what it claimed, called and settled, and on SIGUSR2 how it stands. On SIGUSR1 its event loop is blocked.
"""

import asyncio
import faulthandler
import functools
import logging
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

import barq
from barq.protocol import calls
from barq.protocol.call import Call
from barq.protocol.calls import Settlement
from barq.record import decode_run, number
from barq.worker import Worker
from tests.faults.bank import Bank
from tests.faults.jobs import Data, data_hash
from tests.faults.processes import Terms, WorkerState, end_with_driver, process_main
from tests.faults.records import Born, Claimed, Ended, Ledger, Settled, Started, Step, now


class Planned(Exception):
    """What a job fails with that is meant to."""


class Handlers:
    """What the workers run, with a record before and after."""

    def __init__(self, queue: barq.Queue, ledger: Ledger, bank: Bank, slow_at_a_time: int) -> None:
        self._ledger = ledger
        self._bank = bank
        queue.handler("quick")(self.run)
        queue.handler("later")(self.run)
        queue.handler("flaky")(self.run)
        queue.handler("slow", concurrency=slow_at_a_time)(self.run)
        queue.handler("plain")(self.run_plain)
        queue.handler("deadly")(self.die)

    async def run(self, job: barq.Job[str]) -> str:
        data = self._begin(job)
        try:
            for n in range(data.says):
                said = job.progress(n, data.says) if n % 2 else job.log(f"word {n}")
                if n % 3 == 0:
                    await said
            if data.pays:
                await self._pay(job)
            if data.ms:
                await asyncio.sleep(data.ms / 1000)
            return self._finish(job, data)
        except BaseException as error:
            self._end(job, type(error).__name__)
            raise

    async def _pay(self, job: barq.Job[str]) -> None:
        async def charge(key: str) -> str:
            self._ledger.write(Step(now(), job.id, job.attempt, key, False))
            await asyncio.to_thread(self._bank.charge, key, job.id)
            return key

        kept = await job.once("charge", charge)
        self._ledger.write(Step(now(), job.id, job.attempt, kept, True))

    def run_plain(self, job: Any) -> str:
        data = self._begin(job)
        if data.ms:
            time.sleep(data.ms / 1000)
        return self._finish(job, data)

    def die(self, job: Any) -> None:
        self._begin(job)
        os.kill(os.getpid(), signal.SIGKILL)

    def _begin(self, job: Any) -> Data:
        data = msgspec.convert(job.data, Data)
        self._ledger.write(Started(now(), job.id, job.attempt, data.key, data_hash(data), job.type))
        return data

    def _finish(self, job: Any, data: Data) -> str:
        if job.failures < data.fails:
            raise Planned(f"attempt {job.attempt}")
        self._end(job, "returned")
        return data_hash(data)

    def _end(self, job: Any, how: str) -> None:
        self._ledger.write(Ended(now(), job.id, job.attempt, how))


class Recorder:
    """Stands between the worker and the calls it makes: writes down what claims brought and what settles were answered."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._claims = 0
        claim, turn, settle = calls.claim, calls.turn, calls.settle

        def recorded_claim(*args: Any, **terms: Any) -> Call[calls.Claim]:
            return _with(claim(*args, **terms), self.claimed)

        def recorded_settle(space: Any, settlements: Iterable[Settlement], **terms: Any) -> Call[list[bytes]]:
            sent = list(settlements)
            return _with(settle(space, sent, **terms), functools.partial(self.settled, sent))

        def recorded_turn(space: Any, settlements: Iterable[Settlement], *args: Any, **terms: Any) -> Call[Any]:
            sent = list(settlements)

            def answered(answer: tuple[list[bytes], calls.Claim]) -> None:
                self.settled(sent, answer[0])
                self.claimed(answer[1])

            return _with(turn(space, sent, *args, **terms), answered)

        calls.claim, calls.turn, calls.settle = recorded_claim, recorded_turn, recorded_settle

    def claimed(self, claim: calls.Claim) -> None:
        jobs = [(number(id_), *_attempt_and_nonce(token)) for _, token, group in claim.handed for id_, _ in group]
        if jobs:
            self._claims += 1
            self._ledger.write(Claimed(now(), self._claims, jobs))

    def settled(self, sent: list[Settlement], stale: list[bytes]) -> None:
        """The answer names ids. Of a job that this worker lost and got again, the later attempt is the one that counts."""
        refused = Counter(stale)
        told = []
        for _, id_, token, kind, _, _ in sorted(sent, key=lambda one: decode_run(one[2]).attempt):
            counts = not refused[id_]
            refused[id_] -= not counts
            told.append((number(id_), decode_run(token).attempt, kind.decode(), counts))
        if told:
            self._ledger.write(Settled(now(), told))


def _with(call: Call[Any], look: Callable[[Any], None]) -> Call[Any]:
    decode = call.decode

    def decoded(reply: Any) -> Any:
        answer = decode(reply)
        look(answer)
        return answer

    return Call(call.script, call.prefix, call.args, decoded)


def _attempt_and_nonce(token: bytes) -> tuple[int, str]:
    attempt, nonce, _ = token.split(b" ", 2)
    return int(attempt), nonce.decode()


class LastError(logging.Handler):
    """Keeps the last warning or error."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = f"{time.time():.3f} {record.levelname} {record.getMessage()}"


def state(worker: Worker, last_error: LastError) -> WorkerState:
    slots, turns, listener = worker._slots, worker._turns, worker._listener
    return WorkerState(
        worker=worker.id,
        pid=os.getpid(),
        held=sorted(number(member) for member in worker._held)[:100],
        free=slots.free + slots._kept,
        free_threads=slots.threads.free,
        free_of_types={lane.type: lane.free for lane in slots.lanes.values() if lane.free is not None},
        in_flight=len(turns._flights),
        to_settle=len(turns._ended),
        waits_for_work=listener._waiting,
        connected=[worker._store.connected, worker._ear.connected],
        tasks=sorted(task.get_name() for task in asyncio.all_tasks(worker._loop) if not task.done()),
        threads=sorted(thread.name for thread in threading.enumerate()),
        sockets=sum("socket:" in _target(entry) for entry in Path("/proc/self/fd").iterdir()),
        last_error=last_error.text,
    )


def _target(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except OSError:
        return ""


def main(folder: Path, url: str, slot: str, terms: Terms) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    end_with_driver()
    last_error = LastError(logging.WARNING)
    logging.getLogger("barq").addHandler(last_error)
    name = f"{slot}.{os.getpid()}"
    ledger = Ledger(folder / f"{name}.ledger")
    Recorder(ledger)
    queue = barq.Queue(terms.queue, url=url, keep_events=terms.keep_events)
    Handlers(queue, ledger, Bank(folder), terms.slow_at_a_time)
    worker = Worker(
        queue,
        concurrency=terms.concurrency,
        threads=terms.threads,
        lease=terms.lease_ms / 1000,
        grace=terms.grace_ms / 1000,
        poison=terms.poison,
    )
    limits = {"": terms.concurrency, "plain": terms.threads, "slow": terms.slow_at_a_time}
    ledger.write(Born(now(), worker.id, slot, os.getpid(), limits))

    def tell(*_: object) -> None:
        draft = folder / f"{name}.state.new"
        draft.write_bytes(msgspec.json.encode(state(worker, last_error)))
        draft.rename(folder / f"{name}.state")

    def block() -> None:
        time.sleep(terms.block_ms / 1000)

    async def run() -> None:
        signal.signal(signal.SIGUSR2, tell)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, block)
        await worker.run()

    faulthandler.register(signal.SIGQUIT, chain=False)
    asyncio.run(run())


if __name__ == "__main__":
    process_main(main, sys.argv)
