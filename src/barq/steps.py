"""Steps: parts of a handler that run once over all attempts of a job, as their results are kept. Part of run, in job.py."""

from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from barq.errors import WrongState
from barq.options import text

if TYPE_CHECKING:
    from barq.job import Job

_LONGEST_NAME: Final = 256


class Kept(msgspec.Struct, frozen=True):
    """The result of a step, as every attempt gets it."""

    value: Any


class Step:
    """One step of one attempt, for as long as it runs. Each word to the server carries the token of the attempt."""

    def __init__(self, job: "Job[Any]", name: str) -> None:
        self._job = job
        self._name = text("name of a step", name, longest=_LONGEST_NAME)
        self._holder = job._held("once")
        self._queue = job._queue

    @property
    def key(self) -> str:
        """The same in every attempt, and of no other step of any job: what makes an effect elsewhere idempotent."""
        created = self._job.created_at
        assert created is not None
        return f"{self._queue.name}:{self._job.id}:{round(created.timestamp() * 1000)}:{self._name}"

    def __enter__(self) -> Self:
        if self._name in self._job._steps:
            raise WrongState(
                f"step {self._name!r} of job {self._job.id} runs already: give each step a name of its own"
            )
        self._job._steps |= {self._name}
        return self

    def __exit__(self, *_: object) -> None:
        self._job._steps -= {self._name}

    async def recall(self) -> Kept | None:
        """What is kept of it. Raises LeaseLost when the attempt no longer holds the job."""
        body = await self._holder.recall(self._job, self._name)
        return None if body is None else Kept(self._queue.codec.decode(body))

    async def keep(self, value: Any) -> Kept:
        """Keep a result. Raises InvalidPayload, or LeaseLost."""
        body = await self._holder.keep(self._job, self._name, self._queue.encode_result(value))
        return Kept(self._queue.codec.decode(body))
