"""Types: counts of each, and pausing one or all."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from barq.http.endpoint import endpoint
from barq.http.endpoints.values import TypeName
from barq.http.site import Ask
from barq.options import LONGEST_TEXT
from barq.states import State


class Pause(msgspec.Struct):
    """Who paused it, why, and when."""

    by: str
    reason: str
    at: datetime


class TypeView(msgspec.Struct):
    type: str
    counts: dict[str, int]
    paused: Pause | None


class Types(msgspec.Struct):
    """All types, the counts of all of them together, and whether the queue as a whole is paused."""

    types: list[TypeView]
    counts: dict[str, int]
    paused: Pause | None


@endpoint("GET", "/types")
async def list_types(ask: Ask) -> Types:
    """List the types of jobs, with how many are in each state."""
    rows, paused = await ask.queue.types(), await ask.queue.paused()
    types = [TypeView(name, row.counts, _pause(row.paused)) for name, row in rows.items()]
    total = {str(state): sum(row.counts[state] for row in types) for state in State}
    return Types(types, total, _pause(paused))


class Reason(msgspec.Struct, forbid_unknown_fields=True):
    """Why, for those who wonder later."""

    reason: Annotated[str, Meta(max_length=LONGEST_TEXT, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


class Changed(msgspec.Struct):
    """False: it was so already."""

    changed: bool


@endpoint("POST", "/pause")
async def pause_queue(ask: Ask, body: Reason | None = None) -> Changed:
    """Hand out no job until the queue is resumed. Running ones go on."""
    return await _paused(ask, None, body)


@endpoint("POST", "/resume")
async def resume_queue(ask: Ask) -> Changed:
    """End the pause of the queue."""
    return Changed(await ask.queue.resume())


@endpoint("POST", "/types/{type}/pause")
async def pause_type(ask: Ask, type: TypeName, body: Reason | None = None) -> Changed:
    """Hand out no job of a type until it is resumed. Running ones go on."""
    return await _paused(ask, type, body)


@endpoint("POST", "/types/{type}/resume")
async def resume_type(ask: Ask, type: TypeName) -> Changed:
    """End the pause of a type."""
    return Changed(await ask.queue.resume(type))


async def _paused(ask: Ask, type: str | None, body: Reason | None) -> Changed:
    return Changed(await ask.queue.pause(type, by=ask.visitor.name, reason=body.reason if body else ""))


def _pause(told: dict[str, Any] | None) -> Pause | None:
    if told is None:
        return None
    return Pause(told.get("by", ""), told.get("reason", ""), datetime.fromtimestamp(told.get("at", 0) / 1000, UTC))


ENDPOINTS = [list_types, pause_queue, resume_queue, pause_type, resume_type]
