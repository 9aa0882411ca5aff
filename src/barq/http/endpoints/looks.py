"""Looks: why a job does not run, how its attempts went, and what jobs fail with."""

import msgspec
from msgspec import UNSET, UnsetType

from barq.errors import JobNotFound
from barq.explain import Explanation
from barq.failures import Attempt, Failures
from barq.http.endpoint import endpoint
from barq.http.endpoints.values import JobId, TypeName
from barq.http.site import Ask


@endpoint("GET", "/jobs/{id}/explain", errors=(JobNotFound,))
async def explain_job(ask: Ask, id: JobId) -> Explanation:
    """Say why a job does not run: when it is due, how many are before it, pauses, limits, workers; or how it ended."""
    return await ask.queue.explain(id)


class Attempts(msgspec.Struct):
    """In order. Of attempts that failed before the last one the newest five are kept, with tracebacks cut to 8,000 bytes."""

    attempts: list[Attempt]


@endpoint("GET", "/jobs/{id}/attempts", errors=(JobNotFound,))
async def get_attempts(ask: Ask, id: JobId) -> Attempts:
    """Read how the attempts of a job went, with the error of each that failed, as far as they are kept."""
    return Attempts(await ask.queue.attempts(id))


class OfType(msgspec.Struct, forbid_unknown_fields=True):
    type: TypeName | UnsetType = UNSET


@endpoint("GET", "/failures")
async def list_failures(ask: Ask, query: OfType) -> Failures:
    """Group the failed jobs by type, error and place in the code, the largest group first.

    The newest 10,000 are looked at; what is told may be two seconds old. `where` is the query that finds the jobs of a group.
    """
    type_ = query.type or None
    return await ask.site.shared(("failures", type_), lambda: ask.queue.failures(type_), seconds=2.0)


ENDPOINTS = [explain_job, get_attempts, list_failures]
