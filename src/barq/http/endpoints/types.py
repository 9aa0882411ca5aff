"""Types: counts, rates, ages and times of each, how they were over time, and pausing one or all."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from barq.http.endpoint import endpoint
from barq.http.endpoints.values import Changed, TypeName
from barq.http.site import Ask
from barq.options import LONGEST_SECONDS, LONGEST_TEXT
from barq.states import State
from barq.stats import History, Span, Spread, TypeStats


class Pause(msgspec.Struct):
    """Who paused it, why, when, and until when (null: until it is resumed)."""

    by: str
    reason: str
    at: datetime
    until: datetime | None


class TypeView(msgspec.Struct):
    """A type. `rate`, `failed_rate`: jobs a second that completed, and attempts that failed, over the last minute.
    `oldest_waiting_at`: since when the job that waits longest could have run. `waiting`, `running`: seconds that jobs
    waited for their first run, and ran, in the last quarter of an hour. `spark`: jobs completed in each of its minutes,
    the last one going on. `backlog_seconds`: how long what waits will take as things go; null when nothing goes.
    """

    type: str
    counts: dict[str, int]
    paused: Pause | None
    rate: float
    failed_rate: float
    oldest_waiting_at: datetime | None
    waiting: Spread | None
    running: Spread | None
    spark: list[int]
    backlog_seconds: float | None


class Types(msgspec.Struct):
    """All types, the counts of all of them together, and whether the queue as a whole is paused."""

    types: list[TypeView]
    counts: dict[str, int]
    paused: Pause | None


@endpoint("GET", "/types")
async def list_types(ask: Ask) -> Types:
    """List the types of jobs: how many are in each state, how fast they go, and how long they wait."""
    rows, paused = await ask.queue.stats(), await ask.queue.paused()
    types = [type_view(row) for row in rows.values()]
    total = {str(state): sum(row.counts[state] for row in types) for state in State}
    return Types(types, total, pause_view(paused))


class Over(msgspec.Struct, forbid_unknown_fields=True):
    span: Annotated[Span, Meta(description="From so long ago until now")] = "1h"
    type: Annotated[TypeName, Meta(description="Only this type")] | UnsetType = UNSET


@endpoint("GET", "/history")
async def get_history(ask: Ask, query: Over) -> History:
    """Read how much ended, and how long it waited and ran, over time. Steps are a minute, 15 minutes, or an hour long.

    What is told may be two seconds old.
    """
    span, type_ = query.span, query.type or None
    return await ask.site.shared(("history", span, type_), lambda: ask.queue.history(span, type_), seconds=2.0)


class NewPause(msgspec.Struct, forbid_unknown_fields=True):
    """Why, for those who wonder later, and for how long; null: until it is resumed."""

    reason: Annotated[str, Meta(max_length=LONGEST_TEXT, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    seconds: Annotated[float, Meta(ge=0.001, le=LONGEST_SECONDS)] | None = None


@endpoint("POST", "/pause")
async def pause_queue(ask: Ask, body: NewPause | None = None) -> Changed:
    """Hand out no job until the queue is resumed. Running ones go on."""
    return await _paused(ask, None, body)


@endpoint("POST", "/resume")
async def resume_queue(ask: Ask) -> Changed:
    """End the pause of the queue."""
    return Changed(await ask.queue.resume(by=ask.visitor.name))


@endpoint("POST", "/types/{type}/pause")
async def pause_type(ask: Ask, type: TypeName, body: NewPause | None = None) -> Changed:
    """Hand out no job of a type until it is resumed. Running ones go on."""
    return await _paused(ask, type, body)


@endpoint("POST", "/types/{type}/resume")
async def resume_type(ask: Ask, type: TypeName) -> Changed:
    """End the pause of a type."""
    return Changed(await ask.queue.resume(type, by=ask.visitor.name))


async def _paused(ask: Ask, type: str | None, body: NewPause | None) -> Changed:
    body = body or NewPause()
    return Changed(await ask.queue.pause(type, by=ask.visitor.name, reason=body.reason, seconds=body.seconds))


def type_view(row: TypeStats) -> TypeView:
    told = {field: getattr(row, field) for field in TypeStats.__struct_fields__}
    return TypeView(**{**told, "paused": pause_view(row.paused)})


def pause_view(told: dict[str, Any] | None) -> Pause | None:
    if told is None:
        return None
    until = _time(told["until"]) if "until" in told else None
    return Pause(told.get("by", ""), told.get("reason", ""), _time(told.get("at", 0)), until)


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


ENDPOINTS = [list_types, get_history, pause_queue, resume_queue, pause_type, resume_type]
