"""The child of `barq dev`: run a file as a script; where that leaves a queue with handlers, run a worker for it."""

import asyncio
import io
import logging
import os
import signal
import sys
from collections.abc import Iterable
from types import ModuleType

import barq
from barq.cli import app, exits
from barq.cli.common import log_to_stderr
from barq.errors import BarqError
from barq.queue import Queue


def main(file: str, *arguments: str) -> None:
    sys.argv = [file, *arguments]
    sys.path.insert(0, os.path.dirname(os.path.abspath(file)))
    module = ModuleType("__main__")
    module.__file__ = file
    sys.modules["__main__"] = module
    try:
        with io.open_code(os.path.abspath(file)) as source:
            exec(compile(source.read(), file, "exec"), module.__dict__)  # noqa: S102
    except KeyboardInterrupt:
        raise SystemExit(exits.INTERRUPTED) from None
    except Exception as error:
        app.print_user_error(error)
        raise SystemExit(exits.FAILED) from None
    queues = [queue for queue in app.queues_in(vars(module)).values() if len(queue.handlers)]
    if queues and not barq.Worker.has_run:
        _work(queues)


def _work(queues: Iterable[Queue]) -> None:
    log_to_stderr(logging.INFO)
    workers = [barq.Worker(queue) for queue in queues]

    async def together(first: barq.Worker, *others: barq.Worker) -> None:
        running = [asyncio.create_task(other.run(signals=False)) for other in others]
        try:
            await first.run()
        finally:
            for other in others:
                other.stop(now=True)
            ended = await asyncio.gather(*running, return_exceptions=True)
        for error in filter(None, ended):
            raise error

    try:
        asyncio.run(together(*workers))
    except BarqError as error:
        exits.fail(error, as_json=False)
    except KeyboardInterrupt:
        raise SystemExit(exits.INTERRUPTED) from None
    if workers[0].stopped_by == signal.SIGINT:
        raise SystemExit(exits.INTERRUPTED)


if __name__ == "__main__":
    main(*sys.argv[1:])
