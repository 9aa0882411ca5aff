"""Audit: what people did to jobs, types and workers."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from barq.audit import Act, Acts
from barq.http.endpoint import endpoint
from barq.http.limits import MOST_JOBS
from barq.http.mask import Mask
from barq.http.site import Ask


class Paging(msgspec.Struct, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=MOST_JOBS)] = 50
    before: Annotated[int, Meta(ge=1, le=2**53, description="The `next` of the page before")] | UnsetType = UNSET


@endpoint("GET", "/audit")
async def list_acts(ask: Ask, query: Paging) -> Acts:
    """List what people did through this API, the dashboard and the command line, the newest first.

    The last 10,000 acts are kept. Jobs that are stored are no acts.
    """
    found = await ask.queue.audit(query.limit, query.before or None)
    return Acts([_masked(act, ask.site.mask) for act in found.acts], found.next)


def _masked(act: Act, mask: Mask) -> Act:
    return msgspec.structs.replace(act, before=_shown(act.before, mask), after=_shown(act.after, mask))


def _shown(value: Any, mask: Mask) -> Any:
    """A priority with data: masked as data are."""
    if isinstance(value, dict) and "data" in value:
        return {**value, "data": mask.applied(value["data"])}
    return value


ENDPOINTS = [list_acts]
