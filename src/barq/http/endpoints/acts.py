"""Acts: what can be done with a job: retry, cancel, promote, remove."""

from barq.errors import JobNotFound, QueueFull, WrongState
from barq.http.endpoint import endpoint
from barq.http.endpoints.values import JobId
from barq.http.site import Ask
from barq.http.view import JobView, job_view

_REFUSALS = (JobNotFound, WrongState)


@endpoint("POST", "/jobs/{id}/retry", errors=(*_REFUSALS, QueueFull))
async def retry_job(ask: Ask, id: JobId) -> JobView:
    """Run a finished job again, with all its attempts."""
    await ask.queue.retry(id)
    return await _as_it_stands(ask, id)


@endpoint("POST", "/jobs/{id}/cancel", errors=_REFUSALS)
async def cancel_job(ask: Ask, id: JobId) -> JobView:
    """The job never runs (again); where it runs now its handler is cancelled."""
    await ask.queue.cancel(id)
    return await _as_it_stands(ask, id)


@endpoint("POST", "/jobs/{id}/promote", errors=_REFUSALS)
async def promote_job(ask: Ask, id: JobId) -> JobView:
    """A delayed job waits from now on, not for its time."""
    await ask.queue.promote(id)
    return await _as_it_stands(ask, id)


@endpoint("DELETE", "/jobs/{id}", status=204, errors=_REFUSALS)
async def remove_job(ask: Ask, id: JobId) -> None:
    """Forget a job with all that belongs to it. A running one has to be cancelled first."""
    await ask.queue.remove(id)


async def _as_it_stands(ask: Ask, id: int) -> JobView:
    return job_view(await ask.queue.get(id), ask.site.mask)


ENDPOINTS = [retry_job, cancel_job, promote_job, remove_job]
