"""Find: which jobs a listing asks for. The one place where the words of `q` are understood; an index can take it over."""

from collections.abc import Sequence
from typing import Any, Final

from barq.http.mask import Mask
from barq.http.view import encode, readable
from barq.job import Job
from barq.listing import Page, behind
from barq.queue import Queue

MOST_LOOKED_AT: Final = 1_000
"""Jobs that one call reads when it looks for words. Who wants more goes on with the page's `next`."""

_AT_ONCE: Final = 250


async def find(
    queue: Queue,
    mask: Mask,
    *,
    q: str | None = None,
    state: str | None = None,
    type: str | None = None,
    limit: int = 50,
    after: str | None = None,
    newest_first: bool = False,
) -> Page:
    """A page of jobs. With `q` those that hold all of its words, in whatever case: as id, in type, title, data or error.

    Until there is an index this reads job by job, so a page may end before its limit, or be empty, though `next` is set.
    """
    words = (q or "").lower().split()
    if not words:
        return await queue.jobs(state, type, limit=limit, after=after, newest_first=newest_first)
    found: list[Job[Any]] = []
    looked_at = 0
    while looked_at < MOST_LOOKED_AT:
        page = await queue.jobs(state, type, limit=_AT_ONCE, after=after, newest_first=newest_first)
        for job in page:
            if _holds(job, words, mask):
                found.append(job)
            if len(found) == limit:
                return Page(found, None if job is page[-1] and page.next is None else behind(job))
        looked_at, after = looked_at + len(page), page.next
        if after is None:
            break
    return Page(found, after)


def _holds(job: Job[Any], words: Sequence[str], mask: Mask) -> bool:
    error = f"{job.error.type}: {job.error.message}" if job.error is not None else ""
    data = encode(mask.applied(readable(lambda: job.data))).decode()
    text = "\n".join((str(job.id), job.type, job.title or "", error, data)).lower()
    return all(word in text for word in words)
