"""Find: which jobs a listing of the API asks for: a query of the language in query.py, narrowed by state and type."""

from typing import Literal

from msgspec.structs import replace

from barq import bulk
from barq.bulk import Acted
from barq.http.mask import Mask
from barq.listing import Page
from barq.query import Name, Query, parse, quoted
from barq.queue import Queue
from barq.search import Counted
from barq.states import State


async def find(
    queue: Queue,
    mask: Mask,
    *,
    q: str = "",
    state: str | None = None,
    type: str | None = None,
    limit: int = 50,
    after: str | None = None,
    newest_first: bool = False,
) -> Page:
    """A page of jobs: of a query the latest first, without one in the order of their lines or against it."""
    if not q.strip():
        return await bulk.listed(queue, state, type, limit=limit, after=after, newest_first=newest_first)
    query = _narrowed(parse(q), state, type)
    if query is None:
        return Page([], None)
    if _looks_into_data(query, mask) or query != parse(query.text):
        return await bulk.find(queue, query, limit=limit, after=after, seen=mask.applied)
    return await queue.find(query.text, limit=limit, after=after)


async def count(queue: Queue, mask: Mask, q: str, *, looks: int) -> Counted:
    """How many jobs a query finds, looking at so many of them."""
    query = parse(q)
    if _looks_into_data(query, mask):
        return await bulk.count(queue, query, looks=looks, seen=mask.applied)
    return await queue.count(q, looks=looks)


async def act_on(
    queue: Queue,
    mask: Mask,
    verb: Literal["retry", "cancel", "promote", "remove"],
    *,
    where: str,
    dry_run: bool,
    most: int,
    after: str | None,
    by: str,
) -> Acted:
    """Act on all jobs that a query finds."""
    if _looks_into_data(parse(where), mask):
        seen = mask.applied
        return await bulk.act_on(queue, verb, where=where, dry_run=dry_run, most=most, after=after, by=by, seen=seen)
    return await queue.act_on(verb, where=where, dry_run=dry_run, most=most, after=after, by=by)


def _looks_into_data(query: Query, mask: Mask) -> bool:
    """Whether it must not see what is masked."""
    return bool(mask) and bool(query.data or query.phrases)


def _narrowed(query: Query, state: str | None, type: str | None) -> Query | None:
    """The query for one state and one type, said in its text where that says none; None where it asks for others."""
    text = query.text
    if state is not None:
        if query.states and state not in query.states:
            return None
        text += "" if query.states else f" state:{state}"
        query = replace(query, states=(State(state),))
    if type is not None:
        if query.types and not any(name.fits(type) for name in query.types):
            return None
        text += "" if query.types else f" type:{quoted(type)}"
        query = replace(query, types=(Name(type),))
    return replace(query, text=text)
