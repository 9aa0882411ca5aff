"""Task: a typed function bound to a queue. Its own arguments are the job's data; options go through `using`."""

import copy
import functools
import inspect
import typing
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import NoneType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, Unpack

import msgspec

from barq.backoff import Backoff, BackoffFunction
from barq.durability import Durability
from barq.enqueue import EnqueueOptions, Terms
from barq.errors import InvalidPayload, InvalidType, InvalidValue, UnfitData
from barq.handlers import Handler, check_function, check_process_function, is_coroutine, run_options
from barq.options import Delay, Priority, type_name

if TYPE_CHECKING:
    from barq.job import Job
    from barq.queue import Queue

P = ParamSpec("P")
R = TypeVar("R")


class TaskOptions(typing.TypedDict, total=False):
    """What holds for all jobs of a task, unless `using` says otherwise, and for their runs."""

    name: str | None
    """Type of its jobs; without it the name of the function."""
    concurrency: int | None
    """How many one worker runs at a time."""
    run: typing.Literal["process"] | None
    """Where: "process" is a child process of the worker, for plain functions that burn CPU or have to be killed."""
    priority: Priority
    delay: Delay | None
    attempts: int
    backoff: Backoff | BackoffFunction | None
    """Also a function of your own: failures so far (1 = the first) -> seconds."""
    timeout: Any
    title: str | None
    remove_on_complete: bool
    index: Sequence[str]
    """Arguments by which its jobs can be found: with ("customer",) as customer:42."""
    durability: Durability | str
    wait_for_room: float | timedelta | None
    """Seconds that an enqueue waits when the queue is full; None = for ever."""


class Task(Generic[P, R]):
    """A function that can be enqueued. Calling it runs it here and now, as ever."""

    def __init__(self, queue: "Queue", type: str, function: Callable[P, R], options: EnqueueOptions) -> None:
        self.queue = queue
        self.type = type
        self.function = function
        self._options = options
        self._signature = inspect.signature(function)
        functools.update_wrapper(self, function)

    def __repr__(self) -> str:
        return f"<Task {self.type} of {self.queue!r}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def using(self, **options: Unpack[EnqueueOptions]) -> "Task[P, R]":
        """The same task with other options: `await resize.using(delay=60).enqueue(width=10)`."""
        other = copy.copy(self)
        other._options = {**self._options, **options}
        return other

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> "Job[Any]":
        """Store a job that calls the function with these arguments.

        Raises InvalidType when they do not fit its signature, InvalidPayload when they can't be sent.
        """
        return await self.queue.enqueue(self.type, self.data(*args, **kwargs), **self._options)

    def data(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        """The job's data for these arguments: JSON, by the names of the parameters."""
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidType(f"task {self.type}: {error}; it is {self.type}{self._signature}") from None
        try:
            plain = msgspec.to_builtins(bound.arguments, enc_hook=_pydantic_to_builtins, order=None)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidPayload(f"task {self.type}: arguments can't be sent: {error}") from None
        return dict(plain)


def make_task(queue: "Queue", function: Callable[P, R], options: dict[str, Any]) -> Task[P, R]:
    """Check a function and its options, and register it as the handler of its jobs."""
    if unknown := options.keys() - TaskOptions.__annotations__.keys():
        raise InvalidType(
            f"a task has no option {', '.join(sorted(map(repr, unknown)))}; "
            f"options are {', '.join(TaskOptions.__annotations__)}"
        )
    check_function(function)
    rest = dict(options)
    name = rest.pop("name", None)
    type = type_name(name if name is not None else getattr(function, "__name__", ""))
    run = run_options(
        concurrency=rest.pop("concurrency", None),
        timeout=None,
        backoff=rest.get("backoff"),
        run=rest.pop("run", None),
    )
    if run["in_process"]:
        check_process_function(function)
    if not isinstance(rest.get("backoff"), Backoff):
        rest.pop("backoff", None)  # a function can't be stored with the job: the worker that runs it has it
    Terms(type, rest)  # which checks them
    returned = _hints(function, type).get("return", Any)
    queue.handlers.add(
        Handler(
            type,
            function,
            is_coroutine(function),
            **run,
            arguments=arguments_of(function, type),
            convert_result=_result_converter(returned, type),
        )
    )
    return Task(queue, type, function, typing.cast(EnqueueOptions, rest))


def _hints(function: Callable[..., Any], type: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise InvalidValue(f"task {type}: an annotation can't be resolved: {error}") from None


def arguments_of(function: Callable[..., Any], type: str) -> Callable[[Any], dict[str, Any]]:
    """What makes of a job's data the arguments of the function, converted by its annotations."""
    hints, parameters = _hints(function, type), inspect.signature(function).parameters
    for parameter in parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise InvalidType(f"task {type}: parameter {parameter} has no name of its own to be sent under")

    known = frozenset(parameters)
    needed = frozenset(name for name, parameter in parameters.items() if parameter.default is parameter.empty)

    def arguments(data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise UnfitData(f"task {type}: data must be its arguments by name, got {data!r:.80}")
        if not known.issuperset(data):
            raise UnfitData(f"task {type} has no parameter {', '.join(sorted(data.keys() - known))}")
        if not needed <= data.keys():
            missing = [name for name in parameters if name in needed and name not in data]
            raise UnfitData(f"task {type}: {', '.join(missing)} is missing in the job's data")
        given = dict(data)
        for name, value in data.items():
            hint = hints.get(name, Any)
            if hint is not value.__class__:
                given[name] = _converted(value, hint, f"{type}: {name}", UnfitData)
        return given

    return arguments


def _result_converter(hint: Any, type: str) -> Callable[[Any], Any] | None:
    if hint in (Any, None, NoneType):
        return None
    return lambda value: _converted(value, hint, f"{type}: result")


def _converted(value: Any, hint: Any, what: str, refusal: type[InvalidPayload] = InvalidPayload) -> Any:
    if hint is Any:
        return value
    try:
        return msgspec.convert(value, hint, dec_hook=_pydantic_from_builtins)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise refusal(f"task {what} does not fit {hint}: {error}") from None


def _pydantic_to_builtins(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} can't be sent: {value!r:.80}")


def _pydantic_from_builtins(hint: Any, value: Any) -> Any:
    if hasattr(hint, "model_validate"):
        return hint.model_validate(value)
    raise TypeError(f"{hint} can't be made from {value!r:.80}")
