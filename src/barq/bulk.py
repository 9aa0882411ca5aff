"""Bulk: search from the queue's side: pages, counts, and acts on all jobs that a query finds. The calls are search.py's."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from barq import search
from barq.errors import InvalidType, NoSuchPage, shown
from barq.listing import Page
from barq.options import whole_number
from barq.protocol import acts, finding
from barq.protocol.call import MOST_PER_CALL
from barq.query import Query, parse
from barq.record import Described
from barq.search import Counted
from barq.steer import actor

if TYPE_CHECKING:
    from barq.queue import Queue


class Acted(msgspec.Struct, frozen=True):
    """What an act on all that match has done. `refused`: so many of the matched ones had changed when it came to them.

    `more`: there are more than the act was to take (a dry run: than were counted). `next` is what to pass as `after` to go
    on there, None at the end.
    """

    matched: int
    done: int
    refused: int
    more: bool
    next: str | None


Seen = Callable[[Any], Any]
"""What those who search may see of a job's data."""


async def find(
    queue: "Queue", query: str | Query, *, limit: int, after: str | None, seen: Seen = lambda data: data
) -> Page:
    """A page of the jobs that a query finds."""
    limit = whole_number("limit", limit, least=1, most=1000)
    walked = await queue._exchange(
        search.walk(
            queue.space,
            parse(query),
            now_ms=queue.clock.server_ms(),
            wants="jobs",
            limit=limit,
            data=_reader(queue, seen),
            after=after,
        )
    )
    return Page([queue._job(one) for one in walked.jobs], walked.next)


async def listed(
    queue: "Queue", state: str | None, type: str | None, *, limit: int, after: str | None, newest_first: bool
) -> Page:
    """A page of jobs without a query. The newest of one state come as one list, whatever their types."""
    if newest_first and state is not None and type is None and queue.partitions == 1:
        return await queue.find(f"state:{state}", limit=limit, after=after)
    return await queue.jobs(state, type, limit=limit, after=after, newest_first=newest_first)


async def count(
    queue: "Queue", query: str | Query, *, looks: int = search.MOST_COUNTED, seen: Seen = lambda data: data
) -> Counted:
    """How many jobs a query finds."""
    looks = whole_number("looks", looks, least=1, most=10**9)
    steps = search.count(
        queue.space, parse(query), now_ms=queue.clock.server_ms(), data=_reader(queue, seen), looks=looks
    )
    return await queue._exchange(steps)


async def act_on(
    queue: "Queue",
    verb: str,
    *,
    where: str | Query,
    dry_run: bool,
    most: int,
    after: str | None,
    by: str = "",
    seen: Seen = lambda data: data,
) -> Acted:
    """Act on the jobs that a query finds, up to `most` of them."""
    query = search.for_act(verb, parse(where))
    most = whole_number("most", most, least=1, most=10**9)
    if dry_run:
        number = await count(queue, query, seen=seen)
        return Acted(int(number), 0, 0, more=not number.exact, next=None)
    id_most, place = await _begin(queue, after)
    matched = done = 0
    while True:
        walked = await queue._exchange(
            search.walk(
                queue.space,
                query,
                now_ms=queue.clock.server_ms(),
                wants="ids",
                limit=min(MOST_PER_CALL, most - matched),
                data=_reader(queue, seen),
                after=place,
                id_most=id_most,
            )
        )
        if walked.ids:
            act = acts.act(queue.space, verb, walked.ids, now_ms=queue.clock.server_ms(), by=actor(by))
            words = await queue._here().acts.send(act)
            matched, done = matched + len(words), done + words.count("")
        place = walked.next
        if place is None or matched >= most:
            return Acted(
                matched, done, matched - done, place is not None, None if place is None else f"{id_most} {place}"
            )


async def _begin(queue: "Queue", after: str | None) -> tuple[int, str | None]:
    """The last id when the act began, so that it ends: what it makes happen does not come again; and where to go on."""
    if after is None:
        return await queue._here().store.send(finding.last_id(queue.space)), None
    if not isinstance(after, str):
        raise InvalidType(f"after must be the `next` of an act, got {shown(after)}")
    id_most, _, place = after.partition(" ")
    if not (id_most.isascii() and id_most.isdecimal() and len(id_most) <= 16):
        raise NoSuchPage(f"after must be the `next` of an act, got {shown(after)}")
    return int(id_most), place


def _reader(queue: "Queue", seen: Seen) -> search.Data:
    def data(one: Described) -> Any:
        try:
            return seen(queue._job(one).data)
        except Exception:  # the application's codec may not be at hand here
            return None

    return data
