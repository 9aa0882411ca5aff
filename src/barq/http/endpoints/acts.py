"""Acts: what can be done with a job: edit, retry, clone, cancel, promote, remove."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from barq.errors import JobNotFound, QueueFull, WrongState
from barq.http.endpoint import endpoint
from barq.http.endpoints.values import Created, Data, JobId, PriorityValue, whole
from barq.http.site import Ask
from barq.http.view import JobView, job_view, readable

_REFUSALS = (JobNotFound, WrongState)


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be another way. Left out: as it was."""

    priority: PriorityValue | UnsetType = UNSET
    data: Data | UnsetType = UNSET


@endpoint("PATCH", "/jobs/{id}", errors=(*_REFUSALS, QueueFull))
async def edit_job(ask: Ask, id: JobId, body: Change) -> JobView:
    """Give a job that does not run another priority, or other data.

    Where the data holds `***` in place of a masked value, what is stored there stays.
    """
    priority = None if body.priority is UNSET else whole(body.priority)
    await ask.queue.edit(id, await _data(ask, id, body.data), priority=priority, by=ask.visitor.name)
    return await _as_it_stands(ask, id)


class Other(msgspec.Struct, forbid_unknown_fields=True):
    """Other data; left out: as it was."""

    data: Data | UnsetType = UNSET


@endpoint("POST", "/jobs/{id}/retry", errors=(*_REFUSALS, QueueFull))
async def retry_job(ask: Ask, id: JobId, body: Other | None = None) -> JobView:
    """Run a finished job again, with all its attempts, and with other data where there are any."""
    if body is None or body.data is UNSET:
        await ask.queue.retry(id, by=ask.visitor.name)
    else:
        await ask.queue.edit(id, await _data(ask, id, body.data), retry=True, by=ask.visitor.name)
    return await _as_it_stands(ask, id)


@endpoint("POST", "/jobs/{id}/clone", status=201, errors=(JobNotFound, QueueFull))
async def clone_job(ask: Ask, id: JobId, body: Other | None = None) -> Created:
    """Store another job of which the same is asked, with other data where there are any."""
    data = await _data(ask, id, UNSET if body is None else body.data)
    job = await ask.queue.clone(id, data, by=ask.visitor.name)
    return Created(job.id, job.type)


async def _data(ask: Ask, id: int, data: Any) -> Any:
    """What was given, with what is stored where that was masked."""
    if data is UNSET or not ask.site.mask:
        return data
    job = await ask.queue.get(id)
    return ask.site.mask.restored(data, readable(lambda: job.data))


@endpoint("POST", "/jobs/{id}/cancel", errors=_REFUSALS)
async def cancel_job(ask: Ask, id: JobId) -> JobView:
    """The job never runs (again); where it runs now its handler is cancelled."""
    await ask.queue.cancel(id, by=ask.visitor.name)
    return await _as_it_stands(ask, id)


@endpoint("POST", "/jobs/{id}/promote", errors=_REFUSALS)
async def promote_job(ask: Ask, id: JobId) -> JobView:
    """A delayed job waits from now on, not for its time."""
    await ask.queue.promote(id, by=ask.visitor.name)
    return await _as_it_stands(ask, id)


@endpoint("DELETE", "/jobs/{id}", status=204, errors=_REFUSALS)
async def remove_job(ask: Ask, id: JobId) -> None:
    """Forget a job with all that belongs to it. A running one has to be cancelled first."""
    await ask.queue.remove(id, by=ask.visitor.name)


async def _as_it_stands(ask: Ask, id: int) -> JobView:
    return job_view(await ask.queue.get(id), ask.site.mask)


ENDPOINTS = [edit_job, retry_job, clone_job, cancel_job, promote_job, remove_job]
