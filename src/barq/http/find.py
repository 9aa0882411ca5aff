"""Find: which jobs a listing of the API asks for: a query of the language in query.py, narrowed by state and type."""

from dataclasses import replace

from barq import bulk
from barq.http.mask import Mask
from barq.listing import Page
from barq.query import Name, Query, parse
from barq.queue import Queue
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
        return await queue.jobs(state, type, limit=limit, after=after, newest_first=newest_first)
    query = narrowed(parse(q), state, type)
    if query is None:
        return Page([], None)
    return await bulk.find(queue, query, limit=limit, after=after, seen=mask.applied)


def narrowed(query: Query, state: str | None, type: str | None) -> Query | None:
    """The query for one state and one type; None where it asks for others."""
    if state is not None:
        if query.states and state not in query.states:
            return None
        query = replace(query, states=(State(state),))
    if type is not None:
        if query.types and not any(name.fits(type) for name in query.types):
            return None
        query = replace(query, types=(Name(type),))
    return query
