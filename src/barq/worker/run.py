"""Run: call the handler of a claimed job and work out the outcome. After claim.py, before settle.py."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import CoroutineType
from typing import Any

import msgspec

from barq import backoff as backoffs
from barq.aio import rest
from barq.backoff import Backoff
from barq.errors import InvalidPayload, UnfitData
from barq.handlers import Handler
from barq.job import Holder, Job
from barq.outcome import Failure, Outcome, Park, Release, Success, Then, encode_error
from barq.queue import Queue
from barq.record import decode_run, number
from barq.sync import Job as BlockingJob
from barq.worker.attempt import Attempt
from barq.worker.carrier import Carriers, Waits

log = logging.getLogger("barq.worker")

_NOTHING = Success(b"null")
_FORGET_IT = Success(b"null", discard=True)

MS_PER_YEAR = 366 * 86_400_000


class Runner:
    """Calls handlers. What they get and how their return or exception is read stands here, once for all kinds."""

    def __init__(self, queue: Queue, holder: Holder, ended: Callable[[list[tuple[Attempt, Outcome]]], None]) -> None:
        self._queue = queue
        self._holder = holder
        self.carriers = Carriers(self._begin, self._go_on, ended)
        self._id_of = queue.space.id if queue.space.partitions > 1 else number

    def _begin(self, attempt: Attempt) -> Outcome | Waits:
        """Run an async handler until it returns, raises, or first waits."""
        try:
            handler = attempt.lane.handler
            if handler.arguments is None:
                run = handler.function(self._job(attempt))
            else:
                run = handler.function(**handler.arguments(self._queue.decode_data(attempt.record.payload)))
            if run.__class__ is not CoroutineType:
                run = _awaited(run)
            try:
                return run, run.send(None)
            except StopIteration as end:
                return self._returned(attempt, end.value)
        except BaseException as error:  # also SystemExit: a handler must not end the worker
            return self._raised(attempt, error)

    async def _go_on(self, attempt: Attempt, waits: Waits, cancelled: BaseException | None) -> Outcome:
        try:
            return self._returned(attempt, await rest(*waits, cancelled))
        except BaseException as error:
            return self._raised(attempt, error)

    def _returned(self, attempt: Attempt, value: Any) -> Outcome:
        if attempt.timed_out:  # also when the handler swallowed its cancellation
            return self.timed_out(attempt)
        return self._success(attempt, value)

    def _raised(self, attempt: Attempt, error: BaseException) -> Outcome:
        if isinstance(error, asyncio.CancelledError):
            if attempt.timed_out:
                return self.timed_out(attempt)
            if attempt.handed_back or attempt.ended:
                return Release()
        return self.failure(attempt, error)

    def run_plain(self, attempt: Attempt, loop: asyncio.AbstractEventLoop) -> Outcome:
        """In a thread of the pool."""
        try:
            return self.call_plain(attempt, loop)
        except BaseException as error:
            return self.failure(attempt, error)

    def call_plain(self, attempt: Attempt, loop: asyncio.AbstractEventLoop | None) -> Success:
        """Raises what the handler raises. `loop`: where its job's words are said; None in a process of its own."""
        handler = attempt.lane.handler
        if handler.arguments is None:
            value = handler.function(BlockingJob(self._job(attempt), loop))
        else:
            value = handler.function(**handler.arguments(self._queue.decode_data(attempt.record.payload)))
        return self._success(attempt, value)

    def timeout_ms(self, attempt: Attempt) -> int | None:
        options = attempt.record.options
        return options.timeout_ms if options.timeout_ms is not None else attempt.lane.handler.timeout_ms

    def timed_out(self, attempt: Attempt) -> Outcome:
        timeout_ms = self.timeout_ms(attempt) or 0
        return self.failure(attempt, TimeoutError(f"it ran longer than {timeout_ms / 1000:g} s"))

    def failure(self, attempt: Attempt, error: BaseException) -> Failure | Park:
        return self.failed(attempt, encode_error(error), then_of(error))

    def failed(self, attempt: Attempt, body: bytes, then: Then) -> Failure | Park:
        """Parked, or tried again while attempts are left."""
        if then == "park":
            return Park(body)
        options = attempt.record.options
        failures = decode_run(attempt.token).failures + 1
        if failures >= options.attempts or then == "end":
            return Failure(body, None)
        return Failure(body, self._wait_ms(options.backoff, attempt.lane.handler, failures))

    def _wait_ms(self, rule: Backoff | None, handler: Handler, failures: int) -> int:
        chosen = rule or handler.backoff or backoffs.DEFAULT
        if isinstance(chosen, Backoff):
            seconds: Any = chosen.seconds(failures, self._queue.clock.random())
        else:
            try:
                seconds = chosen(failures)
                seconds = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
                if not 0 <= seconds * 1000 <= MS_PER_YEAR:
                    raise ValueError(f"seconds must be from 0 to a year, got {seconds!r}")
            except Exception:
                log.exception("backoff function of type %s: the default is used instead", handler.type)
                seconds = backoffs.DEFAULT.seconds(failures, self._queue.clock.random())
        return round(float(seconds) * 1000)

    def _success(self, attempt: Attempt, value: Any) -> Success:
        discard = attempt.record.has_options and attempt.record.options.remove_on_complete
        if value is None:
            return _FORGET_IT if discard else _NOTHING
        if attempt.lane.handler.arguments is not None:
            value = msgspec.to_builtins(value, enc_hook=_to_builtins)
        return Success(self._queue.encode_result(value), discard)

    def _job(self, attempt: Attempt) -> Job[Any]:
        return Job(self._queue, self._id_of(attempt.member), attempt.record, token=attempt.token, holder=self._holder)


async def _awaited(answer: Awaitable[Any]) -> Any:
    return await answer


def then_of(error: BaseException) -> Then:
    """Of data that does not fit and a result that can't be stored another attempt would end the same way: the first may
    run when the code has been mended, the second has run."""
    if isinstance(error, UnfitData):
        return "park"
    return "end" if isinstance(error, InvalidPayload) else "again"


def _to_builtins(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise InvalidPayload(f"a result can't be stored: {type(value).__name__} is not JSON: {value!r:.80}")
