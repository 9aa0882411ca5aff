"""Events: what happens, as server-sent events: of the whole queue, or of one job until it has ended."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace
from starlette.responses import Response

from barq.errors import JobNotFound
from barq.events import GAP, Event
from barq.http.endpoint import endpoint
from barq.http.endpoints.values import JobId, TypeName
from barq.http.hub import Told
from barq.http.problems import Refused
from barq.http.site import Ask
from barq.http.stream import MEDIA_TYPE, EventStream, event_text
from barq.http.view import readable
from barq.job import Job
from barq.states import ENDINGS, EVENTS, FINISHED, State

OTHER_PARTITIONS = "The position names another number of partitions than the queue has"

Position = Annotated[
    str,
    Meta(
        pattern=r"^([0-9]{1,16}|[1-9][0-9]{0,15}\.[0-9]{1,16})(,([0-9]{1,16}|[1-9][0-9]{0,15}\.[0-9]{1,16}))*$",
        description='Go on behind the event with that id; "0" gives all that are kept',
    ),
]


class LastEvent(msgspec.Struct, rename={"last_event_id": "Last-Event-ID"}):
    """What a browser sends when it connects again."""

    last_event_id: Position | UnsetType = UNSET


class Since(msgspec.Struct, forbid_unknown_fields=True):
    after: Position | UnsetType = UNSET


class Following(Since, forbid_unknown_fields=True):
    type: Annotated[TypeName, Meta(description="Only events of this type of job")] | UnsetType = UNSET
    job: Annotated[JobId, Meta(description="Only events of this job")] | UnsetType = UNSET


_DATA = {"contentMediaType": "application/json", "contentSchema": {"$ref": "#/components/schemas/EventView"}}


class Sent(msgspec.Struct):
    """An event in the stream. Its data is an EventView in JSON."""

    id: str
    event: str
    data: Annotated[str, Meta(extra_json_schema=_DATA)]


@endpoint("GET", "/events", media_type=MEDIA_TYPE, answer=Sent, also={409: OTHER_PARTITIONS})
async def follow_events(ask: Ask, query: Following, headers: LastEvent) -> Response:
    """Follow what happens to jobs, as server-sent events, from now on or behind a position.

    An event named `gap` says that events are missing, because they were not kept so long. Results of jobs are left out.
    """

    def wanted(event: Event) -> bool:
        return event.name == GAP or (
            (query.type is UNSET or event.type == query.type) and (query.job is UNSET or event.job_id == query.job)
        )

    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(ask.site.hub.listening(_after(ask, query, headers)))
        return EventStream(_texts(parts, wanted), stack.pop_all(), seconds=ask.site.limits.stream_seconds)


@endpoint(
    "GET",
    "/jobs/{id}/events",
    media_type=MEDIA_TYPE,
    answer=Sent,
    errors=(JobNotFound,),
    also={
        204: "The job has ended, and nothing happened behind the position: browsers stop asking",
        409: OTHER_PARTITIONS,
    },
)
async def follow_job(ask: Ask, id: JobId, query: Since, headers: LastEvent) -> Response:
    """Follow a job as server-sent events, until it has ended; the event of its completion has its result.

    Of a job that has ended already one gets the ending, or behind a position what happened since.
    """
    after = _after(ask, query, headers)
    async with AsyncExitStack() as stack:
        # listening first: what happens while the job is read is not missed
        parts = await stack.enter_async_context(ask.site.hub.listening(after))
        job = await _found(ask, id)
        if job is not None and job.state not in FINISHED:
            texts = _until_ended(ask, id, parts)
        elif after is not None:
            past = [event async for event in ask.queue.events(after, wait=False) if _is_of(event, id)]
            if not past:
                return Response(status_code=204)
            texts = _these(ask, past)
        elif job is not None:
            texts = _these(ask, [replace(_ending(job), position=await ask.queue.position())])
        else:
            raise JobNotFound(f"job {id} is not there (any more)")
        return EventStream(texts, stack.pop_all(), seconds=ask.site.limits.stream_seconds)


def _after(ask: Ask, query: Since, headers: LastEvent) -> str | None:
    after = headers.last_event_id or query.after or None
    named, there = (after or "").count(",") + 1, ask.queue.partitions
    if after and after != "0" and named != there:
        raise Refused(409, "other-partitions", f"after names {named} partitions, the queue has {there}")
    return after


def _is_of(event: Event, id: int) -> bool:
    return event.job_id == id or event.name == GAP


async def _found(ask: Ask, id: int) -> Job[object] | None:
    try:
        return await ask.queue.get(id)
    except JobNotFound:
        return None


def _ending(job: Job[object]) -> Event:
    """The event that a finished job ended with."""
    data = readable(lambda: job.returned) if job.state is State.COMPLETED else job.error
    name = EVENTS[State.ACTIVE, job.state]
    return Event(name, job.type, job.id, job.ended_at or job.created_at, data)  # type: ignore[arg-type]


async def _texts(parts: AsyncIterator[list[Told]], wanted: Callable[[Event], bool]) -> AsyncIterator[bytes]:
    async for part in parts:
        yield b"".join(told.text for told in part if wanted(told.event))


async def _until_ended(ask: Ask, id: int, parts: AsyncIterator[list[Told]]) -> AsyncIterator[bytes]:
    async for part in parts:
        yield b""
        for event in (told.event for told in part if _is_of(told.event, id)):
            yield event_text(await _with_result(ask, event), ask.site.mask)
            if event.name in ENDINGS:
                return


async def _these(ask: Ask, events: list[Event]) -> AsyncIterator[bytes]:
    for event in events:
        yield event_text(await _with_result(ask, event), ask.site.mask)


async def _with_result(ask: Ask, event: Event) -> Event:
    """The queue's stream leaves results out."""
    if event.name != "complete" or event.data is not None:
        return event
    job = await _found(ask, event.job_id)
    return event if job is None else replace(event, data=readable(lambda: job.returned))


ENDPOINTS = [follow_events, follow_job]
