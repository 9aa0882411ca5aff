"""Search: how many jobs a query finds, and acts on all of them."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from barq.errors import NoSuchPage, QueueFull
from barq.http import find
from barq.http.endpoint import endpoint
from barq.http.site import Ask
from barq.query import LONGEST_QUERY
from barq.search import MOST_COUNTED

MOST_AT_ONCE = 10_000
"""Jobs that one request acts on."""

QueryText = Annotated[
    str,
    Meta(
        max_length=LONGEST_QUERY,
        extra_json_schema={"format": "barq-query"},
        description='A query, such as `state:failed type:email "mailbox full" customer:42 age>1h`',
    ),
]


class Counting(msgspec.Struct, forbid_unknown_fields=True):
    q: QueryText = ""
    looks: Annotated[
        int, Meta(ge=1, le=MOST_COUNTED, description="How many jobs are looked at where no index has the answer")
    ] = MOST_COUNTED


class Count(msgspec.Struct):
    """So many jobs; where not `exact`, there are more, which nobody has counted."""

    count: int
    exact: bool


@endpoint("GET", "/jobs/count")
async def count_jobs(ask: Ask, query: Counting) -> Count:
    """Count the jobs that a query finds."""
    found = await find.count(ask.queue, ask.site.mask, query.q, looks=query.looks)
    return Count(int(found), found.exact)


class Where(msgspec.Struct, forbid_unknown_fields=True):
    """The jobs that a query finds. `dry_run` only counts them; `after` is the `next` of the request before."""

    where: Annotated[QueryText, Meta(min_length=1)]
    dry_run: bool = False
    after: Annotated[str, Meta(max_length=2000)] | UnsetType = UNSET


class Acted(msgspec.Struct):
    """So many jobs matched, of which `refused` had changed meanwhile.

    `more`: there are more than one request takes; it goes on with `next` as its `after`.
    """

    matched: int
    done: int
    refused: int
    more: bool
    next: str | None


@endpoint("POST", "/jobs/retry", errors=(NoSuchPage, QueueFull))
async def retry_jobs(ask: Ask, body: Where) -> Acted:
    """Run all failed, cancelled and parked jobs that a query finds again; completed ones when it says `state:completed`."""
    return await _acted(ask, "retry", body)


@endpoint("POST", "/jobs/cancel", errors=(NoSuchPage,))
async def cancel_jobs(ask: Ask, body: Where) -> Acted:
    """All jobs that a query finds and that have not ended never run (again)."""
    return await _acted(ask, "cancel", body)


@endpoint("POST", "/jobs/promote", errors=(NoSuchPage,))
async def promote_jobs(ask: Ask, body: Where) -> Acted:
    """All delayed jobs that a query finds wait from now on, not for their time."""
    return await _acted(ask, "promote", body)


@endpoint("POST", "/jobs/remove", errors=(NoSuchPage,))
async def remove_jobs(ask: Ask, body: Where) -> Acted:
    """Forget all jobs that a query finds, but those that run."""
    return await _acted(ask, "remove", body)


async def _acted(ask: Ask, verb: Literal["retry", "cancel", "promote", "remove"], body: Where) -> Acted:
    done = await find.act_on(
        ask.queue,
        ask.site.mask,
        verb,
        where=body.where,
        dry_run=body.dry_run,
        most=MOST_AT_ONCE,
        after=body.after or None,
        by=ask.visitor.name,
    )
    return Acted(done.matched, done.done, done.refused, done.more, done.next)


ENDPOINTS = [count_jobs, retry_jobs, cancel_jobs, promote_jobs, remove_jobs]
