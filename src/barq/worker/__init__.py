"""Worker: claims jobs, runs them, settles them."""

from barq.worker.worker import Worker

__all__ = ["Worker"]
