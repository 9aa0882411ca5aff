"""Every error barq raises: one tree under BarqError. A mistake of the caller is also a ValueError, TypeError or LookupError."""


def shown(value: object) -> str:
    """A value as a message names it: short, whatever it is."""
    try:
        text = repr(value)
    except Exception:  # its __repr__ may raise anything, and an int of 5,000 digits has none
        return f"<{type(value).__name__}>"
    return text if len(text) <= 200 else f"{text[:200]}…"


class BarqError(Exception):
    """Base of all errors of barq."""


# ---- mistakes of the caller: raised at the call, nothing was stored


class InvalidValue(BarqError, ValueError):
    """A value is outside of what is allowed; the message names the value and what to give instead."""


class InvalidType(BarqError, TypeError):
    """A value has the wrong Python type, or arguments do not fit a task's signature."""


class InvalidPayload(InvalidValue):
    """Data or a result that the codec cannot carry unchanged, or that is larger than the queue allows."""


class UnfitData(InvalidPayload):
    """A job's data can't be read, or does not fit its task. Raised in a handler it parks the job: the job is `blocked`,
    with this as its error and no attempt burnt, until somebody retries it (when the code has been mended, say)."""


class NoSuchPage(InvalidValue):
    """`after` is not the `next` of a page, or of one with another type or state."""


class JobNotFound(BarqError, LookupError):
    """There is no job with that id (any more)."""


class WorkerNotFound(BarqError, LookupError):
    """There is no living worker with that id."""


class WrongState(BarqError, ValueError):
    """The job is not in a state that allows this; the message names both."""


# ---- how jobs end


class JobFailed(BarqError):
    """The job has failed for good. `error` is the error as the worker recorded it."""

    def __init__(self, message: str, *, error: object = None) -> None:
        super().__init__(message)
        self.error = error


class JobCancelled(BarqError):
    """The job was cancelled, so there is no result."""


class ProcessDied(BarqError):
    """The child process in which a handler ran has ended before it; the message says how. Recorded as the job's error."""


class LeaseLost(BarqError):
    """This attempt no longer holds its job: its lease ran out, or the job was cancelled. Nothing it says counts any more."""


class ResultTimeout(BarqError, TimeoutError):
    """The job has not ended within the time given."""


# ---- the server


class ServerError(BarqError):
    """The server answered with an error; nothing was stored unless the message says otherwise."""


class ServerUnreachable(BarqError, ConnectionError):
    """No answer from the server within the time given. A call may have arrived: repeating it is safe."""


class ServerUnsuitable(ServerError):
    """The server can't be used for jobs: too old, a read-only replica, or set to evict keys."""


class WrongPartitions(BarqError, ValueError):
    """The queue exists with another number of partitions. `stored` is the one that it has."""

    def __init__(self, message: str, *, stored: int = 1) -> None:
        super().__init__(message)
        self.stored = stored


class PermissionDenied(ServerError):
    """The server refused the password, or the user lacks a right; the message names it."""


class QueueFull(ServerError):
    """There is no room for new jobs: the server has no memory left, or a limit of the queue is reached. Running jobs go on.

    `stored`: of the jobs of an enqueue_many, so many, the first ones, are stored.
    """

    stored = 0


class NotConfirmed(ServerError):
    """Stored, but the durability that was asked for was not confirmed in time; the message says what is missing.

    A failover may still lose it. Repeating the enqueue with the same `token` is safe, and asks for confirmation again.
    """


class EmbeddedServerError(ServerError):
    """The bundled server could not be started or stopped; the message says why."""
