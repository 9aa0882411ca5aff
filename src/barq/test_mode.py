"""Test mode: jobs are recorded instead of enqueued. Nothing is processed, and no server is needed."""

from typing import TYPE_CHECKING, Any

from barq.errors import WrongState

if TYPE_CHECKING:
    from barq.job import Job


class TestMode:
    """Of one queue. As a context manager it enters, clears and leaves.

    >>> import asyncio, barq
    >>> queue = barq.Queue()
    >>> with queue.test_mode:
    ...     job = asyncio.run(queue.enqueue("email", {"to": "a@b.c"}))
    ...     print(job.id, queue.test_mode.jobs[0].data)
    1 {'to': 'a@b.c'}
    """

    __test__ = False  # not a test class, whatever pytest makes of its name

    def __init__(self) -> None:
        self.entered = False
        self.jobs: list[Job[Any]] = []
        """What was enqueued since enter(), in order; ids are 1, 2, …"""

    def enter(self) -> None:
        """From now on jobs are recorded. Raises WrongState when the queue is in test mode already."""
        if self.entered:
            raise WrongState("the queue is in test mode already: call test_mode.exit() first")
        self.entered = True
        self.jobs = []

    def clear(self) -> None:
        """Forget the recorded jobs; ids begin at 1 again."""
        self.jobs.clear()

    def exit(self) -> None:
        """Leave test mode: jobs are enqueued again. The recorded jobs are forgotten."""
        self.entered = False
        self.jobs = []

    def record(self, job: "Job[Any]") -> int:
        self.jobs.append(job)
        return len(self.jobs)

    def __enter__(self) -> "TestMode":
        self.enter()
        return self

    def __exit__(self, *_: object) -> None:
        self.exit()
