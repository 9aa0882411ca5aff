"""Jobs: create, list, read."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

import barq
from barq.backoff import Backoff
from barq.errors import JobNotFound, NoSuchPage, QueueFull
from barq.http.endpoint import endpoint
from barq.http.endpoints.search import QueryText
from barq.http.endpoints.values import Created, Data, JobId, PriorityValue, Text, TypeName, WholeNumber, whole
from barq.http.find import find
from barq.http.limits import MOST_JOBS
from barq.http.site import Ask
from barq.http.view import JobView, job_view
from barq.options import LONGEST_SECONDS
from barq.states import FINISHED, State

# ---- create

_FIELD = r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$"


class NewBackoff(msgspec.Struct, forbid_unknown_fields=True):
    """The wait between attempts, in seconds: `delay` each time, or growing by `factor` up to `most`, spread by `jitter`."""

    kind: Literal["fixed", "exponential"]
    delay: Annotated[float, Meta(ge=0, le=31_536_000)]
    factor: Annotated[float, Meta(ge=1, le=1000)] = 2.0
    most: Annotated[float, Meta(ge=0, le=31_536_000)] = 3600.0
    jitter: Annotated[float, Meta(ge=0, le=1)] = 0.0

    def backoff(self) -> Backoff:
        if self.kind == "fixed":
            return barq.fixed(self.delay, jitter=self.jitter)
        return barq.exponential(self.delay, factor=self.factor, most=self.most, jitter=self.jitter)


class NewJob(msgspec.Struct, forbid_unknown_fields=True):
    """What is asked of a job. `delay`: seconds, or a time with its zone. `token`: one makes a repeat harmless."""

    type: TypeName
    data: Data = None
    priority: PriorityValue = 0
    delay: Annotated[float, Meta(ge=0, le=LONGEST_SECONDS)] | Annotated[datetime, Meta(tz=True)] | None = None
    attempts: Annotated[WholeNumber, Meta(ge=1, le=1_000_000)] = 1
    backoff: NewBackoff | None = None
    timeout: Annotated[float, Meta(ge=0.001, le=LONGEST_SECONDS)] | None = None
    title: Text | None = None
    remove_on_complete: bool = False
    index: Annotated[
        list[Annotated[str, Meta(pattern=_FIELD, max_length=64)]],
        Meta(max_length=8, description="Fields of the data by which the job can be found: `customer:42`"),
    ] = []
    token: Annotated[str, Meta(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]+$")] | None = None

    def job(self, queue: barq.Queue) -> barq.Job[Any]:
        """The job, not stored yet. Raises InvalidValue, InvalidType or InvalidPayload."""
        return queue.create(
            self.type,
            self.data,
            priority=whole(self.priority),
            delay=self.delay,
            attempts=int(self.attempts),
            backoff=None if self.backoff is None else self.backoff.backoff(),
            timeout=self.timeout,
            title=self.title,
            remove_on_complete=self.remove_on_complete,
            index=tuple(self.index),
            token=self.token,
        )


@endpoint("POST", "/jobs", status=201, errors=(QueueFull,))
async def create_jobs(
    ask: Ask, body: NewJob | Annotated[list[NewJob], Meta(min_length=1, max_length=MOST_JOBS)]
) -> Created | list[Created]:
    """Store a job, or several.

    All are checked before the first is stored. After a 503 nobody knows whether they were: jobs with a `token` may be sent
    again, which gives the same jobs.
    """
    if isinstance(body, NewJob):
        job = await body.job(ask.queue).save()
        return Created(job.id, job.type)
    made = await asyncio.gather(*(job.save() for job in [one.job(ask.queue) for one in body]))
    return [Created(job.id, job.type) for job in made]


# ---- look


class Which(msgspec.Struct, forbid_unknown_fields=True):
    state: State | UnsetType = UNSET
    type: TypeName | UnsetType = UNSET
    q: QueryText = ""
    limit: Annotated[int, Meta(ge=1, le=MOST_JOBS)] = 50
    after: Annotated[str, Meta(max_length=2000, description="The `next` of the page before")] | UnsetType = UNSET
    order: Annotated[
        Literal["line", "newest"] | UnsetType,
        Meta(
            description="As they will run, or the latest first; finished jobs come latest first unless asked otherwise"
        ),
    ] = UNSET


class JobPage(msgspec.Struct):
    """Some jobs, type by type and state by state; the newest of one state as one list.

    `next` is the `after` of the page behind them, null at the end.
    """

    jobs: list[JobView]
    next: str | None


@endpoint("GET", "/jobs", errors=(NoSuchPage,))
async def list_jobs(ask: Ask, query: Which) -> JobPage:
    """List jobs, all or those that a query finds.

    With `q` they come latest first; a page may have fewer jobs than its limit, or none, and go on all the same.
    """
    order = query.order or ("newest" if not query.state or query.state in FINISHED else "line")
    page = await find(
        ask.queue,
        ask.site.mask,
        q=query.q,
        state=query.state or None,
        type=query.type or None,
        limit=query.limit,
        after=query.after or None,
        newest_first=order == "newest",
    )
    return JobPage([job_view(job, ask.site.mask) for job in page], page.next)


@endpoint("GET", "/jobs/{id}", errors=(JobNotFound,))
async def get_job(ask: Ask, id: JobId) -> JobView:
    """Read a job."""
    return job_view(await ask.queue.get(id), ask.site.mask)


class LogLine(msgspec.Struct):
    at: datetime
    text: str


class Log(msgspec.Struct):
    lines: list[LogLine]


@endpoint("GET", "/jobs/{id}/log", errors=(JobNotFound,))
async def get_log(ask: Ask, id: JobId) -> Log:
    """Read the log lines of a job that are kept."""
    _, lines = await asyncio.gather(ask.queue.get(id), ask.queue.logs(id))
    return Log([LogLine(at, text) for at, text in lines])


ENDPOINTS = [create_jobs, list_jobs, get_job, get_log]
