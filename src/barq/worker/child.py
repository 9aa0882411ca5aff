"""Child: a process of its own in which plain handlers run, one job after the other. Started and fed by processes.py."""

import asyncio
import concurrent.futures
import logging
import os
import pickle
import signal
import sys
import threading
import time
from multiprocessing import spawn
from multiprocessing.connection import Connection
from queue import SimpleQueue
from types import FrameType
from typing import Any

import msgspec

from barq import errors
from barq.errors import BarqError, LeaseLost, ServerError
from barq.events import Progress, encode_progress
from barq.job import Job
from barq.outcome import encode_error
from barq.queue import Queue
from barq.record import Record
from barq.store import connect
from barq.worker.attempt import Attempt
from barq.worker.line import (
    TERM_SECONDS,
    Answered,
    Began,
    Close,
    Given,
    Line,
    Logged,
    Raised,
    Returned,
    Step,
    ToChild,
    Word,
)
from barq.worker.place import Place, handler_at
from barq.worker.run import Runner, then_of
from barq.worker.settle import encode_log
from barq.worker.slots import Lane

NO_CONNECTION = (
    "this process is a child of a worker and imports the program again for its handlers with run='process': put what "
    "the program starts under `if __name__ == '__main__':`"
)


class Start(msgspec.Struct):
    """What the worker sends first, pickled."""

    preparation: dict[str, Any]
    """For multiprocessing's spawn.prepare()."""
    handlers: bytes
    """Pickled: the queues, each with the places of its handlers."""
    log_level: int


def main(connection: "Connection[Any, Any]") -> None:
    os.set_inheritable(connection.fileno(), False)
    Child(connection).run(connection.recv())


class Application:
    """What the worker has imported, imported again. Raises what that raises."""

    def __init__(self, start: Start, words: "Words") -> None:
        connect.refusal = NO_CONNECTION
        spawn.prepare(start.preparation)
        connect.refusal = None
        queues: list[tuple[Queue, list[Place]]] = pickle.loads(start.handlers)  # noqa: S301
        self._places = [{place.type: place for place in places} for _, places in queues]
        self._lanes: dict[tuple[int, str], Lane] = {}
        self._runners = [Runner(queue, words, lambda _ended: None) for queue, _ in queues]

    def attempt(self, given: Given) -> Attempt:
        of = given.queue, given.type
        if of not in self._lanes:
            self._lanes[of] = Lane(handler_at(self._places[given.queue][given.type]))
            self._lanes[of].queue = given.queue
        return Attempt(given.member, given.token, Record(given.record), self._lanes[of], 0.0)

    def run(self, attempt: Attempt) -> Returned | Raised:
        try:
            success = self._runners[attempt.lane.queue].call_plain(attempt, None)
        except BaseException as error:
            return Raised(encode_error(error), then_of(error))
        return Returned(success.result, success.discard)


class Child:
    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._line: Line[ToChild] = Line(connection, ToChild)
        self._todo: SimpleQueue[Given | None] = SimpleQueue()
        self._words = Words(self._line)
        self._leaving = False

    def run(self, start: Start) -> None:
        """Until the worker has no more to do, or has ended."""
        signal.signal(signal.SIGTERM, self._leave)
        threading.Thread(target=self._listen, name="barq listen", daemon=True).start()
        logging.getLogger().addHandler(ToWorkersLog(self._line))
        logging.getLogger().setLevel(start.log_level)
        try:
            self._work(start)
        finally:
            if self._leaving:
                self._die()

    def _work(self, start: Start) -> None:
        application = None
        while (given := self._todo.get()) is not None:
            try:
                application = application or Application(start, self._words)
                attempt = application.attempt(given)
            except BaseException as error:
                self._check_not_leaving()
                self._line.say(Raised(encode_error(error)))
                return  # another process may have more luck
            self._words.begin(given.token)
            self._line.say(Began())
            ending = application.run(attempt)
            self._check_not_leaving()  # a handler may swallow SystemExit
            self._words.end()
            self._line.say(ending)

    def _listen(self) -> None:
        """In a thread: hear what the worker says, and its end."""
        try:
            while True:
                match self._line.hear():
                    case Given() as given:
                        self._todo.put(given)
                    case Answered() as answer:
                        self._words.answered(answer)
                    case Close():
                        self._todo.put(None)
        except (EOFError, OSError):
            os.killpg(0, signal.SIGTERM)  # what the handler has started ends as well
            time.sleep(TERM_SECONDS)
            os.killpg(0, signal.SIGKILL)

    def _leave(self, _number: int, _frame: FrameType | None) -> None:
        self._leaving = True
        raise SystemExit(128 + signal.SIGTERM)  # the handler's `finally` blocks run

    def _check_not_leaving(self) -> None:
        if self._leaving:
            raise SystemExit(128 + signal.SIGTERM)

    def _die(self) -> None:
        """At once, whatever threads the handler has left behind."""
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)


Answer = concurrent.futures.Future[bytes | None]


class Words:
    """What the running handler says: it goes to the worker, which passes it on and answers when it is stored."""

    def __init__(self, line: Line[Any]) -> None:
        self._line = line
        self._lock = threading.Lock()
        self._token: bytes | None = None
        self._number = 0
        self._waiting: dict[int, Answer] = {}

    def begin(self, token: bytes) -> None:
        with self._lock:
            self._token = token

    def end(self) -> None:
        """Wait until all that was said is answered; nothing more is passed on."""
        with self._lock:
            self._token = None
            waiting = list(self._waiting.values())
        concurrent.futures.wait(waiting)

    def progress(self, job: Job[Any], progress: Progress) -> "asyncio.Future[Any]":
        return self._say(job, Word, b"progress", encode_progress(progress, job._queue.codec))

    def log(self, job: Job[Any], text: str) -> "asyncio.Future[Any]":
        return self._say(job, Word, b"log", encode_log(text))

    async def recall(self, job: Job[Any], name: str) -> bytes | None:
        kept: bytes | None = await self._say(job, Step, name)
        return kept

    async def keep(self, job: Job[Any], name: str, body: bytes) -> bytes:
        kept: bytes = await self._say(job, Step, name, body)
        return kept

    def answered(self, answer: Answered) -> None:
        with self._lock:
            said = self._waiting.pop(answer.number)
        if answer.error is None:
            said.set_result(answer.body)
        else:
            said.set_exception(_error(*answer.error))

    def _say(self, job: Job[Any], kind: "type[Word | Step]", *content: Any) -> "asyncio.Future[Any]":
        said: Answer = concurrent.futures.Future()
        with self._lock:
            if job._token != self._token:
                raise LeaseLost(f"this run of job {job.id} has ended")
            self._number += 1
            number = self._number
            self._waiting[number] = said
        self._line.say(kind(number, *content))
        told = asyncio.wrap_future(said)
        told.add_done_callback(lambda one: one.cancelled() or one.exception())  # who does not await it needs no error
        return told


class ToWorkersLog(logging.Handler):
    """Hands records of `logging` to the worker, unless the application sets up logging of its own."""

    def __init__(self, line: Line[Any]) -> None:
        super().__init__()
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._line.say(Logged(record.name, record.levelno, self.format(record), record.created))
        except OSError:
            if logging.lastResort is not None:
                logging.lastResort.handle(record)


def _error(name: str, message: str) -> BarqError:
    kind = getattr(errors, name, ServerError)
    error: BarqError = kind(message)
    return error
