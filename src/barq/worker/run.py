"""Run: call the handler of a claimed job and work out the outcome. After claim.py, before settle.py."""

import asyncio
import logging
import sys
from collections.abc import Callable
from contextvars import copy_context
from datetime import timedelta
from typing import Any, Final

import msgspec

from barq import backoff as backoffs
from barq.aio import rest
from barq.backoff import Backoff
from barq.errors import InvalidPayload, UnfitData
from barq.handlers import Handler
from barq.job import Holder, Job
from barq.outcome import Failure, Outcome, Park, Release, Success, Then, encode_error
from barq.queue import Queue
from barq.record import decode_run
from barq.sync import Job as BlockingJob
from barq.worker.attempt import Attempt

log = logging.getLogger("barq.worker")

_NOTHING = Success(b"null")
_FORGET_IT = Success(b"null", discard=True)

_EAGERLY: Final[dict[str, Any]] = {"eager_start": True} if sys.version_info >= (3, 12) else {}
"""The first step needs no turn of the loop of its own."""

MS_PER_YEAR = 366 * 86_400_000


class Runner:
    """Calls handlers. What they get and how their return or exception is read stands here, once for all kinds."""

    def __init__(self, queue: Queue, holder: Holder, ended: Callable[[list[tuple[Attempt, Outcome]]], None]) -> None:
        self._queue = queue
        self._holder = holder
        self._ended = ended
        self._context = copy_context()

    def start(self, attempts: list[Attempt]) -> None:
        """Run jobs of one async handler. `ended` hears the outcomes.

        A handler that waits runs in a task of its own. Those that return without ever waiting share one, which costs
        half as much.
        """
        loop = asyncio.get_running_loop()
        together = [[attempt] for attempt in attempts] if attempts[0].lane.waits else [attempts]
        for some in together:
            asyncio.Task(self._run(some), loop=loop, name="barq job", context=self._context.copy(), **_EAGERLY)

    async def _run(self, attempts: list[Attempt]) -> None:
        task = asyncio.current_task()
        assert task is not None
        ended: list[tuple[Attempt, Outcome]] = []
        for at, attempt in enumerate(attempts, 1):
            if attempt.ended or attempt.handed_back:  # before it began
                ended.append((attempt, Release()))
                continue
            attempt.task = task
            run = self._run_one(attempt)
            try:
                waits_for = run.send(None)
            except StopIteration as end:
                ended.append((attempt, end.value))
                attempt.lane.waits = False
                if task.cancelling() or copy_context() != self._context:
                    break  # what one job leaves behind is not for the next
            else:
                attempt.lane.waits = True
                self._go_on(ended, attempts[at:])
                outcome = await rest(run, waits_for)
                return self._ended([(attempt, outcome)])
        self._go_on(ended, attempts[at:])

    def _go_on(self, ended: list[tuple[Attempt, Outcome]], left: list[Attempt]) -> None:
        if ended:
            self._ended(ended)
        if left:
            self.start(left)

    async def _run_one(self, attempt: Attempt) -> Outcome:
        try:
            handler = attempt.lane.handler
            if handler.arguments is None:
                value = await handler.function(self._job(attempt))
            else:
                value = await handler.function(**handler.arguments(self._queue.decode_data(attempt.record.payload)))
            # a handler that swallowed the cancellation of its timeout has timed out all the same
            return self.timed_out(attempt) if attempt.timed_out else self._success(attempt, value)
        except asyncio.CancelledError as error:
            if attempt.timed_out:
                return self.timed_out(attempt)
            return Release() if attempt.handed_back or attempt.ended else self.failure(attempt, error)
        except BaseException as error:  # also SystemExit: a handler must not end the worker
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
        return Job(
            self._queue, self._queue.space.id(attempt.member), attempt.record, token=attempt.token, holder=self._holder
        )


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
