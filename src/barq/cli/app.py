"""App: find the queue of a user's application, for `barq worker` and `barq dev`."""

import functools
import importlib
import os
import sys
import traceback
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NoReturn

import click

from barq.cli import exits
from barq.queue import Queue

_HERE = os.path.dirname(__file__)


def load(place: str) -> Queue:
    """The queue that MODULE:NAME names; without a NAME the only one there. Ends the process when there is none."""
    name, _, attribute = place.partition(":")
    if name.endswith(".py") or "/" in name:
        name = name.removesuffix(".py").strip("./").replace("/", ".")
        _refuse(f"{place!r} is a file: write the module, {name}:{attribute or 'queue'}")
    if "" in name.split("."):
        _refuse(f"{place!r} does not name a module: write app:queue")
    module = _imported(name)
    if attribute:
        return _named(module, attribute)
    found = queues_in(vars(module))
    match list(found.values()):
        case [queue]:
            return queue
        case []:
            _refuse(f"module {name} holds no barq.Queue")
        case _:
            _refuse(f"module {name} holds several queues: write one of {', '.join(f'{name}:{at}' for at in found)}")


def queues_in(namespace: Mapping[str, Any]) -> dict[str, Queue]:
    """The queues in a module, by the first name that each has."""
    found: dict[str, Queue] = {}
    for name, value in namespace.items():
        queue = as_queue(value)
        if queue is not None and all(queue is not other for other in found.values()):
            found[name] = queue
    return found


def as_queue(value: Any) -> Queue | None:
    """The queue behind a barq.Queue or barq.sync.Queue, None for anything else."""
    shell = sys.modules.get("barq.sync.shell")  # who has not imported it has no such queue
    if shell is not None and isinstance(value, shell.Queue):
        value = value.asyncio
    return value if isinstance(value, Queue) else None


def print_user_error(error: BaseException) -> None:
    """The traceback as the user's file sees it, without the frames of what loaded it."""
    shown = traceback.TracebackException.from_exception(error)
    frames = list(shown.stack)
    while frames and (frames[0].filename.startswith("<frozen importlib") or _is_loader(frames[0].filename)):
        frames.pop(0)
    shown.stack[:] = frames
    click.echo("".join(shown.format()), err=True, nl=False)


def _is_loader(filename: str) -> bool:
    return os.path.dirname(filename) == _HERE or filename == importlib.__file__


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            _refuse(f"there is no module {error.name} in {os.getcwd()} or among what is installed")
        failure: BaseException = error
    except (Exception, SystemExit) as error:
        failure = error
    print_user_error(failure)
    exits.end(f"module {name} can't be imported: {type(failure).__name__}: {failure}")


def _named(module: ModuleType, attribute: str) -> Queue:
    try:
        value = functools.reduce(getattr, attribute.split("."), module)
    except AttributeError:
        there = ", ".join(queues_in(vars(module))) or "none"
        _refuse(f"module {module.__name__} has no {attribute!r}; its queues: {there}")
    queue = as_queue(value)
    if queue is None:
        _refuse(f"{module.__name__}:{attribute} must be a barq.Queue, got {value!r:.80}")
    return queue


def _refuse(message: str) -> NoReturn:
    raise click.BadParameter(message, param_hint="'APP:QUEUE'")
