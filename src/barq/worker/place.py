"""Place: where the function of a handler stands, so that a child process finds it again. Between handlers.py and child.py."""

import importlib
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from barq import sync
from barq.errors import InvalidValue
from barq.handlers import Handler
from barq.task import arguments_of

MAINS = ("__main__", "__mp_main__")
"""What the program's own module is called, and what a new process calls it that has imported it again."""


class Place(msgspec.Struct, frozen=True):
    """Module and name, and how many wrappers stand around the function there."""

    type: str
    module: str
    name: str
    wrappers: int
    is_task: bool


def place_of(handler: Handler) -> Place:
    """Raises InvalidValue where a new process could not find the handler's function."""
    module, name = handler.function.__module__, handler.function.__qualname__
    trouble = _trouble_with_main() if module in MAINS else ""
    if not trouble:
        try:
            for wrappers, found in enumerate(_layers(module, name)):
                if found == handler.function:
                    return Place(handler.type, module, name, wrappers, handler.arguments is not None)
            trouble = "there is something else of that name"
        except (ImportError, AttributeError) as error:
            trouble = str(error)
    raise InvalidValue(
        f"the handler of type {handler.type!r} has run='process', but a new process would not find its function "
        f"{name} in module {module}: {trouble}"
    )


def handler_at(place: Place) -> Handler:
    """The handler again, in a new process. Raises what the import of its module raises."""
    function = next(itertools.islice(_layers(place.module, place.name), place.wrappers, None))
    arguments = arguments_of(function, place.type) if place.is_task else None
    return Handler(place.type, function, is_async=False, in_process=True, arguments=arguments)


def preparation() -> dict[str, Any]:
    """What a new process needs to import as this one does, for multiprocessing's spawn.prepare()."""
    return {"sys_path": [entry or os.getcwd() for entry in sys.path], "sys_argv": sys.argv}


def main_again() -> dict[str, Any]:
    """What it needs besides to import the program's own module again, under the name __mp_main__."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return {"init_main_from_name": spec.name}
    return {"init_main_from_path": os.path.abspath(main.__file__ or "")}


def _trouble_with_main() -> str:
    main = sys.modules["__main__"]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None and spec.name.rpartition(".")[2] == "__main__":
        return "a __main__.py is not imported again; put the function into another module"
    if spec is None and (file is None or not os.path.isfile(file)):
        return "it was typed at a prompt or given with -c; put it into a file"
    return ""


def _layers(module: str, name: str) -> Iterator[Callable[..., Any]]:
    """What stands there, and what that wraps, as far as it says so."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    while found is not None:
        yield found
        found = found.asyncio if isinstance(found, sync.Task) else getattr(found, "__wrapped__", None)
