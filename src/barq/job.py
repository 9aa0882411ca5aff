"""Job: one unit of work, as users hold it: made by an enqueue, read from the server, or handed to a handler."""

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, Protocol, Self, TypeVar

from barq.enqueue import Draft
from barq.errors import (
    InvalidType,
    InvalidValue,
    JobCancelled,
    JobFailed,
    JobNotFound,
    ResultTimeout,
    WrongState,
    shown,
)
from barq.events import CLOSED, Event, PastLogs, Progress, decode_progress, ending_of
from barq.failures import error_of
from barq.options import JobOptions, seconds_or_none
from barq.outcome import ErrorInfo, decode_error
from barq.record import NEVER_RUN, Record, Run, Status, decode_run
from barq.states import ENDINGS, EVENT_NAMES, FINISHED, State
from barq.steps import Step

if TYPE_CHECKING:
    from barq.queue import Queue

R = TypeVar("R")
log = logging.getLogger("barq.job")

Callback = Callable[..., Any]

_MOST_EVENTS_WAITING: Final = 10_000
MOST_PROGRESS: Final = 2**53
_UNREAD: Final = object()


class Holder(Protocol):
    """What a running attempt speaks through; the worker gives it."""

    def progress(self, job: "Job[Any]", progress: Progress) -> Awaitable[None]: ...

    def log(self, job: "Job[Any]", text: str) -> Awaitable[None]: ...

    async def recall(self, job: "Job[Any]", name: str) -> bytes | None: ...

    async def keep(self, job: "Job[Any]", name: str, body: bytes) -> bytes: ...


class Job(Generic[R]):
    """What was asked (id, type, data, options) and how it stood when it was read (state, attempt, error …).

    Reading attributes does no I/O; `refresh()` reads the job again. R is the type of its result.
    """

    _data: Any = _UNREAD
    _note: Progress | None = None
    _callbacks: list[tuple[str, Callback]] | None = None
    _steps: frozenset[str] = frozenset()  # that run now
    _followed = False  # saved with callbacks, which hear every event from the first on

    id: int
    """A whole number that grows by one over all types of a queue; 0 until the job is saved."""

    def __init__(
        self,
        queue: "Queue",
        id: int,
        record: "Record | Draft",
        *,
        status: Status | None = None,
        token: bytes | None = None,
        holder: Holder | None = None,
    ) -> None:
        self.id = id
        self._queue = queue
        self._record = record
        self._status = status
        self._token = token
        self._holder = holder

    def __repr__(self) -> str:
        return f"<Job {self.id or 'unsaved'} {self.type} {self.state}>"

    # ---- what was asked

    @property
    def type(self) -> str:
        return self._record.type

    @property
    def data(self) -> Any:
        """Raises what the codec raises; for the handler that runs the job UnfitData."""
        if self._data is _UNREAD:
            decode = self._queue.codec.decode if self._holder is None else self._queue.decode_data
            self._data = decode(self._record.payload)
        return self._data

    @property
    def priority(self) -> int:
        return self._record.priority

    @property
    def options(self) -> JobOptions:
        """attempts, backoff, timeout_ms, title, remove_on_complete."""
        return self._record.terms.job_options if isinstance(self._record, Draft) else self._record.options

    @property
    def attempts(self) -> int:
        return self.options.attempts

    @property
    def title(self) -> str | None:
        return self.options.title

    @property
    def created_at(self) -> datetime | None:
        """None before the job was read from the server."""
        return None if isinstance(self._record, Draft) else _time(self._record.created_ms)

    # ---- how it stood

    @property
    def state(self) -> State:
        if self._status is not None:
            return self._status.state
        if self._token is not None:
            return State.ACTIVE
        return State.DELAYED if isinstance(self._record, Draft) and self._record.terms.due else State.WAITING

    @property
    def run(self) -> Run:
        """Counts of the runs so far, and the holder while it is active."""
        if self._token is not None:
            return decode_run(self._token)
        if self._status is None:
            return NEVER_RUN
        if self._status.ending and self._status.state in FINISHED:
            return self._status.ending.run
        return self._status.run

    @property
    def attempt(self) -> int:
        """Number of the run that is going on or was the last, 1 for the first; 0 before it."""
        return self.run.attempt

    @property
    def failures(self) -> int:
        """Failed runs that were, or will be, followed by another one."""
        return self.run.failures

    @property
    def started_at(self) -> datetime | None:
        started_ms = self.run.started_ms
        return None if started_ms is None else _time(started_ms)

    @property
    def ended_at(self) -> datetime | None:
        """When the last attempt ended, also one that failed and is followed by another."""
        return _time(self._status.ending.ended_ms) if self._status and self._status.ending else None

    @property
    def due_at(self) -> datetime | None:
        """When a delayed job will wait, as far as it was read."""
        return _time(int(self._status.score)) if self._status and self._status.state is State.DELAYED else None

    @property
    def worker(self) -> str | None:
        """Id of the worker that holds it, or ran it last."""
        return self.run.worker

    @property
    def error(self) -> ErrorInfo | None:
        """The error of the last attempt, if that failed; of a parked job why it is parked."""
        status = self._status
        if status is None or status.ending is None or not status.ending.body:
            return None
        if status.state in FINISHED:
            return decode_error(status.ending.body) if status.state is State.FAILED else None
        return error_of(status.ending)  # of a job that was retried the last ending may be a result

    @property
    def returned(self) -> Any:
        """What its handler returned, as it is stored, once it has completed; `result()` waits for that."""
        if self._status is None or self._status.state is not State.COMPLETED or self._status.ending is None:
            return None
        return self._queue.codec.decode(self._status.ending.body)

    @property
    def progressed(self) -> Progress | None:
        """The last progress its handler told."""
        if self._note is None and self._status is not None and self._status.note is not None:
            self._note = decode_progress(self._status.note, self._queue.codec)
        return self._note

    # ---- waiting for it

    async def save(self) -> Self:
        """Enqueue a job made by `queue.create`. Its callbacks get every event from the first on."""
        if self.id or not isinstance(self._record, Draft):
            raise WrongState(f"job {self.id} is saved already: make another one with queue.create()")
        await self._queue._save(self, self._record)
        return self

    def on(self, event: str, callback: Callback) -> Self:
        """Call `callback` at each such event of this job, in order, as long as this process's event loop runs.

        Arguments are: progress (percent, data); log (text); failed, failed attempt and park (error); complete (result);
        enqueue, promotion, start, requeue, retry, cancel and remove none. It may be an async function. On a job that
        is enqueued already, events before this call are not told, but that it has ended is. After its ending nothing
        more is told: that somebody retries or removes it then is in `queue.events()`.
        """
        if event not in EVENT_NAMES:
            raise InvalidValue(f"event must be one of {', '.join(EVENT_NAMES)}, got {event!r}")
        if not callable(callback):
            raise InvalidType(f"callback must be a function, got {callback!r}")
        if self._callbacks is None:
            self._callbacks = []
            if self.id:
                self._queue._listen(self)
        self._callbacks.append((event, callback))
        return self

    async def result(self, timeout: float | None = None) -> R:
        """Wait until the job has ended and return what its handler returned.

        Raises JobFailed, JobCancelled, JobNotFound (also when it was removed), or ResultTimeout after `timeout` seconds.
        A job that is parked has not ended: somebody may retry it.
        """
        ending = await self._ending(timeout)
        match ending.name:
            case "complete":
                return self._converted(ending.data)
            case "failed":
                raise JobFailed(f"job {self.id} ({self.type}) failed: {ending.data}", error=ending.data)
            case "cancel":
                raise JobCancelled(f"job {self.id} ({self.type}) was cancelled")
            case _:
                self._gone()

    async def wait(self, timeout: float | None = None) -> str:
        """Wait until the job has ended, however: returns complete, failed, cancel or remove. Raises ResultTimeout."""
        return (await self._ending(timeout)).name

    async def events(self, *, logs: bool = False) -> AsyncIterator[Event]:
        """Its events from now on, the ending last. If it has ended already, that ending alone.

        With `logs` the log lines that are kept come first, as events; none is missing between them and those that follow,
        and none is told twice.
        """
        self._check_saved()
        happened: asyncio.Queue[Event] = asyncio.Queue(_MOST_EVENTS_WAITING)

        def listen(event: Event) -> None:
            if happened.full():  # who reads too slowly learns that something is missing, and the ending in any case
                happened.get_nowait()
            happened.put_nowait(event)

        watcher = self._queue._here().watcher
        ending = self._ended(await watcher.watch(self.id, listen))
        try:
            past = PastLogs(self.type, self.id, await self.logs() if logs else [])
            for event in past.events:
                yield event
            if ending is not None:
                yield ending
                return
            while True:
                event = await happened.get()
                if event.name == CLOSED:
                    self._closed()
                if not past.told(event):
                    yield event
                if event.name in ENDINGS:
                    return
        finally:
            watcher.forget(self.id, listen)

    async def _ending(self, timeout: float | None) -> Event:
        self._check_saved()
        seconds = seconds_or_none("timeout", timeout)
        ended: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        parked: ErrorInfo | None = None

        def listen(event: Event) -> None:
            nonlocal parked
            parked = event.data if event.name == "park" else None
            if (event.name in ENDINGS or event.name == CLOSED) and not ended.done():
                ended.set_result(event)

        watcher = self._queue._here().watcher
        try:
            async with asyncio.timeout(seconds):
                already = self._ended(await watcher.watch(self.id, listen))
                parked = self.error if self.state is State.BLOCKED else parked
                if already and self._followed and watcher.join(self.id, self._dispatch, listen):
                    already = None  # its callbacks hear of the ending first
                ending = already or await ended
        except TimeoutError:
            why = f": it is parked until somebody retries it: {parked}" if parked else ""
            raise ResultTimeout(f"job {self.id} ({self.type}) has not ended within {seconds:g} s{why}") from None
        finally:
            watcher.forget(self.id, listen)
        if ending.name == CLOSED:
            self._closed()
        return ending

    def _ended(self, status: Status | None) -> Event | None:
        """The ending of a job that has ended, as an event."""
        if status is None:
            self._gone()
        self._status = status
        return ending_of(status, self._queue.codec, type=self.type, job_id=self.id)

    def _converted(self, value: Any) -> R:
        return self._queue._convert_result(self.type, value)  # type: ignore[no-any-return]

    def _gone(self) -> NoReturn:
        raise JobNotFound(f"job {self.id} is not there (any more)")

    def _closed(self) -> NoReturn:
        raise WrongState(f"the queue was closed while somebody waited for job {self.id}")

    def _check_saved(self) -> None:
        if not self.id:
            raise WrongState("the job is not saved yet: call save() first")

    def _dispatch(self, event: Event) -> None:
        """Call the callbacks for an event."""
        for name, callback in self._callbacks or ():
            if name != event.name:
                continue
            match event.data:
                case Progress(percent, data):
                    arguments: tuple[Any, ...] = (percent, data)
                case None if name not in ("complete", "failed", "failed attempt", "park", "log"):
                    arguments = ()
                case data:
                    arguments = (data,)
            try:
                answer = callback(*arguments)
            except Exception:  # the others are called all the same
                log.exception("a callback for %s of job %d raised", name, self.id)
            else:
                if inspect.isawaitable(answer):
                    self._queue._here().background(answer, f"a callback for {name} of job {self.id}")

    # ---- what its handler says

    def progress(self, done: float, total: float = 100, data: Any = None) -> Awaitable[None]:
        """Say how far this run is: `done` of `total`, with data (JSON) of your own. Only inside a handler.

        It is said at once, in order, and before the job ends; who awaits it waits for the server to have stored it, and
        gets LeaseLost when this run no longer holds the job.
        """
        for name, value in (("done", done), ("total", total)):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise InvalidType(f"{name} of a progress must be a number, got {shown(value)}")
        if not 0 < total <= MOST_PROGRESS or not 0 <= done <= MOST_PROGRESS:  # NaN fails as well
            raise InvalidValue(f"progress must be 0 or more of a total above 0, got {shown(done)} of {shown(total)}")
        self._note = Progress(min(100, int(100 * done / total)), data)
        return self._held("progress").progress(self, self._note)

    def log(self, text: str) -> Awaitable[None]:
        """Add a line to the job's log (the last 1,000 are kept). Only inside a handler; awaited like `progress`."""
        if not isinstance(text, str):
            raise InvalidType(f"a log line must be a str, got {text!r}")
        return self._held("log").log(self, text)

    async def once(self, name: str, function: Callable[[str], Any]) -> Any:
        """Run a step of the handler once over all attempts: `function(key)` is called unless its result is kept, and
        what it returns (JSON) is kept with the job. Later attempts get that without a call. Only inside a handler.

        `key` is the same in all attempts: pass it on as idempotency key, for a worker that dies between the effect and
        its record runs the step again. Raises LeaseLost when this run no longer holds the job, before or after the call.
        """
        with Step(self, name) as step:
            kept = await step.recall()
            if kept is None:
                value = function(step.key)
                kept = await step.keep(await value if inspect.isawaitable(value) else value)
            return kept.value

    def _held(self, verb: str) -> Holder:
        if self._holder is None:
            raise WrongState(f"only the handler that runs job {self.id} may call {verb}()")
        return self._holder

    # ---- acts

    async def refresh(self) -> Self:
        """Read the job again. Raises JobNotFound."""
        self._check_saved()
        fresh = await self._queue.get(self.id)
        self._record, self._status, self._note = fresh._record, fresh._status, None
        return self

    async def logs(self) -> list[tuple[datetime, str]]:
        """Its log lines with their times."""
        self._check_saved()
        return await self._queue.logs(self.id)

    async def cancel(self) -> None:
        """It never runs (again); where it runs now its handler is cancelled. Raises WrongState when it has ended."""
        self._check_saved()
        await self._queue.cancel(self.id)

    async def retry(self) -> None:
        """Run it again, with all its attempts. Raises WrongState when it has not ended and is not parked."""
        self._check_saved()
        await self._queue.retry(self.id)

    async def promote(self) -> None:
        """Do not wait for its time. Raises WrongState when it is not delayed."""
        self._check_saved()
        await self._queue.promote(self.id)

    async def remove(self) -> None:
        """Forget it. Raises WrongState while it runs."""
        self._check_saved()
        await self._queue.remove(self.id)


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
