"""Handlers: which function takes the jobs of which type, and what holds for its runs. Read by worker/run.py."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar

import msgspec

from barq.backoff import Backoff, BackoffFunction
from barq.errors import InvalidType, InvalidValue, shown
from barq.options import seconds_to_ms, whole_number

F = TypeVar("F", bound=Callable[..., Any])

MOST_CONCURRENT = 100_000


class Handler(msgspec.Struct, frozen=True):
    """A function with what holds for its runs."""

    type: str
    function: Callable[..., Any]
    is_async: bool
    in_process: bool = False
    """It runs in a child process of the worker."""
    concurrency: int | None = None
    timeout_ms: int | None = None
    backoff: Backoff | BackoffFunction | None = None
    arguments: Callable[[Any], dict[str, Any]] | None = None
    """For tasks: from a job's data to the function's arguments. Without it the function gets the job."""
    convert_result: Callable[[Any], Any] | None = None


class Handlers:
    """The handlers of one queue, by type."""

    def __init__(self) -> None:
        self._by_type: dict[str, Handler] = {}

    def get(self, type: str) -> Handler | None:
        return self._by_type.get(type)

    def __iter__(self) -> Iterator[Handler]:
        return iter(self._by_type.values())

    def __len__(self) -> int:
        return len(self._by_type)

    def add(self, handler: Handler) -> None:
        if handler.type in self._by_type:
            raise InvalidValue(f"type {handler.type!r} has a handler already: give this one another name")
        self._by_type[handler.type] = handler

    def decorator(
        self,
        type: str,
        *,
        concurrency: int | None,
        timeout: float | None,
        backoff: Backoff | BackoffFunction | None,
        run: Literal["process"] | None,
    ) -> Callable[[F], F]:
        checked = run_options(concurrency=concurrency, timeout=timeout, backoff=backoff, run=run)

        def register(function: F) -> F:
            check_function(function)
            if checked["in_process"]:
                check_process_function(function)
            self.add(Handler(type, function, is_coroutine(function), **checked))
            return function

        return register


def run_options(
    *, concurrency: int | None, timeout: float | None, backoff: Backoff | BackoffFunction | None, run: object
) -> dict[str, Any]:
    """Check what is given to a handler or task for its runs."""
    if run is not None and run != "process":
        raise InvalidValue(f"run must be 'process', or left out for the worker's loop or threads, got {shown(run)}")
    if backoff is not None and not isinstance(backoff, Backoff) and not callable(backoff):
        raise InvalidType(f"backoff must be barq.fixed(…), barq.exponential(…) or a function, got {backoff!r}")
    return {
        "concurrency": None
        if concurrency is None
        else whole_number("concurrency", concurrency, least=1, most=MOST_CONCURRENT),
        "timeout_ms": None if timeout is None else seconds_to_ms("timeout", timeout, least_ms=1),
        "backoff": backoff,
        "in_process": run is not None,
    }


def check_function(function: Any) -> None:
    if not callable(function) or inspect.isclass(function):
        raise InvalidType(f"a handler must be a function, got {function!r}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidType(f"a handler must not be a generator, got {function!r}")


def check_process_function(function: Any) -> None:
    """What can be told before its module has been read to the end; the rest is checked by worker/place.py."""
    if is_coroutine(function):
        raise InvalidType(
            f"run='process' is for plain functions, async ones run in the worker's loop, got {function!r}"
        )
    names = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not all(isinstance(name, str) and "<" not in name for name in names):  # <lambda>, f.<locals>.g
        raise InvalidValue(
            "a handler with run='process' must be a function with a name in a module, "
            f"where a new process finds it again, got {function!r}"
        )


def is_coroutine(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))
