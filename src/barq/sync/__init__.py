"""barq for plain, blocking code: the same names and arguments as barq, without await."""

from barq.sync.shell import Job, Page, Queue, Task

__all__ = ["Job", "Page", "Queue", "Task"]
