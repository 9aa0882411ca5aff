"""Overview: all that a first page shows, in one answer, or as server-sent events each second. Read once for all viewers."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from starlette.responses import Response

from barq.errors import BarqError
from barq.events import Progress
from barq.failures import FailureGroup, Failures
from barq.http.access import LOCAL
from barq.http.endpoint import endpoint
from barq.http.endpoints.about import ServerView, get_server
from barq.http.endpoints.looks import OfType, list_failures
from barq.http.endpoints.types import Pause, TypeView, list_types
from barq.http.endpoints.workers import list_workers
from barq.http.overview import Lookout, Slowly
from barq.http.problems import problem_of
from barq.http.site import Ask, Site
from barq.http.stream import MEDIA_TYPE, EventStream
from barq.http.view import encode, readable
from barq.job import Job
from barq.states import State
from barq.workers import WorkerInfo

MOST_TYPES: Final = 100
MOST_RUNNING: Final = 50
MOST_GROUPS: Final = 20
_SERVER_SECONDS: Final = 5.0
_FAILURES_SECONDS: Final = 15.0


class Running(msgspec.Struct, kw_only=True):
    """A job that runs now, without its data, which may be large."""

    id: int
    type: str
    title: str | None
    priority: int
    attempt: int
    attempts: int
    started_at: datetime | None
    worker: str | None
    progress: Progress | None


class Overview(msgspec.Struct, kw_only=True):
    """The queue at one moment. `types`: those with most to see; `more_types` are left out. `failures`: the largest groups,
    as they were some seconds ago; null until they are read, as `server` is.
    """

    at: datetime
    queue: str
    read_only: bool
    counts: dict[str, int]
    paused: Pause | None
    types: list[TypeView]
    more_types: int
    running: list[Running]
    workers: list[WorkerInfo]
    failures: list[FailureGroup] | None
    server: ServerView | None


class Sight:
    """One look, encoded once for those who may act and once for those who may not."""

    def __init__(self, overview: Overview) -> None:
        self._overview = overview
        self._encoded: dict[bool, bytes] = {}

    def of(self, *, read_only: bool) -> bytes:
        if read_only not in self._encoded:
            self._encoded[read_only] = encode(msgspec.structs.replace(self._overview, read_only=read_only))
        return self._encoded[read_only]


def lookout(site: Site) -> Lookout[Sight]:
    """What looks at the queue of an application."""
    ask: Any = Ask(site, None, LOCAL)  # type: ignore[arg-type]  # nobody's request: what is seen is for all
    server: Slowly[ServerView] = Slowly(lambda: get_server.handler(ask), seconds=_SERVER_SECONDS)
    failures: Slowly[Failures] = Slowly(lambda: list_failures.handler(ask, OfType()), seconds=_FAILURES_SECONDS)

    async def look() -> Sight:
        types = await list_types.handler(ask)
        running = await site.queue.jobs(State.ACTIVE, limit=MOST_RUNNING)
        groups = failures.value(mark=types.counts[State.FAILED])
        shown = sorted(types.types, key=_interest)[:MOST_TYPES]
        return Sight(
            Overview(
                at=datetime.now(UTC),
                queue=site.queue.name,
                read_only=False,
                counts=types.counts,
                paused=types.paused,
                types=sorted(shown, key=lambda row: row.type),
                more_types=len(types.types) - len(shown),
                running=sorted((_running(job) for job in running), key=lambda job: job.id),
                workers=(await list_workers.handler(ask)).workers,
                failures=None if groups is None else groups.groups[:MOST_GROUPS],
                server=server.value(),
            )
        )

    return Lookout(look, most_viewers=site.limits.viewers, answer_seconds=site.limits.answer_seconds)


def _interest(row: TypeView) -> tuple[bool, int]:
    live = sum(row.counts[state] for state in (State.WAITING, State.ACTIVE, State.FAILED, State.DELAYED))
    return row.paused is None, -live


def _running(job: Job[Any]) -> Running:
    progress = readable(lambda: job.progressed)
    return Running(
        id=job.id,
        type=job.type,
        title=job.title,
        priority=job.priority,
        attempt=job.attempt,
        attempts=job.attempts,
        started_at=job.started_at,
        worker=job.worker,
        progress=Progress(progress.percent, None) if isinstance(progress, Progress) else None,
    )


@endpoint("GET", "/overview", answer=Overview)
async def get_overview(ask: Ask) -> Response:
    """Read the queue at one moment: counts, types, what runs, workers, the server. At most a second old."""
    sight = await ask.site.lookout.latest()
    return Response(sight.of(read_only=ask.visitor.read_only), media_type="application/json")


_DATA = {"contentMediaType": "application/json", "contentSchema": {"$ref": "#/components/schemas/Overview"}}


class SentOverview(msgspec.Struct):
    """An event in the stream: `overview`, whose data is an Overview, or `problem`, whose data is problem details."""

    event: str
    data: Annotated[str, Meta(extra_json_schema=_DATA)]


@endpoint("GET", "/overview/stream", media_type=MEDIA_TYPE, answer=SentOverview)
async def follow_overview(ask: Ask) -> Response:
    """Follow the overview as server-sent events, one each second."""
    async with AsyncExitStack() as stack:
        sights = await stack.enter_async_context(ask.site.lookout.watching())
        texts = _texts(sights, read_only=ask.visitor.read_only)
        return EventStream(texts, stack.pop_all(), seconds=ask.site.limits.stream_seconds)


async def _texts(sights: AsyncIterator[Sight | BarqError], *, read_only: bool) -> AsyncIterator[bytes]:
    async for sight in sights:
        if isinstance(sight, BarqError):
            yield b"event: problem\ndata: %b\n\n" % encode(problem_of(sight)[0])
        else:
            yield b"event: overview\ndata: %b\n\n" % sight.of(read_only=read_only)


ENDPOINTS = [get_overview, follow_overview]
