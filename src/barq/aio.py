"""Aio: what asyncio lacks: coroutines that go on the moment they can, not a turn of the loop later, and to cancel tasks
for sure."""

import asyncio
from collections.abc import Callable, Coroutine, Generator, Iterable
from types import coroutine as awaitable
from typing import Any, TypeVar

R = TypeVar("R")


class Reply(asyncio.Future[Any]):
    """A future that may have one hearer who is told at once. For everybody else it is a future like any other."""

    hearer: Callable[[], None] | None = None

    def set_result(self, result: Any, /) -> None:
        super().set_result(result)
        if self.hearer is not None:
            self.hearer()

    def set_exception(self, exception: type | BaseException, /) -> None:
        super().set_exception(exception)
        if self.hearer is not None:
            self.hearer()


class Prompt:
    """Runs a coroutine at once, and goes on with it within the very call that sets the Reply it awaits.

    So as long as it awaits nothing but a Reply it is no task, and must not ask for the current one, as asyncio.timeout
    does. From the first time that it awaits anything else it is one.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, None], *, name: str, ended: "Callable[[Prompt], None]") -> None:
        self._coroutine = coroutine
        self._name = name
        self._ended = ended
        self._awaits: Reply | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Run it until it first waits. `ended` is called at its end, which may be now."""
        self._step(self._coroutine.send, None)

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
        elif self._awaits is not None:
            self._awaits.hearer = None
            self._awaits.cancel()
            self._step(self._coroutine.throw, asyncio.CancelledError())

    async def gone(self) -> None:
        """Cancel it until it has ended."""
        self.cancel()
        if self._task is not None:
            await cancelled([self._task])

    def _answered(self) -> None:
        self._step(self._coroutine.send, None)

    def _step(self, resume: Callable[[Any], Any], value: Any) -> None:
        self._awaits = None
        try:
            waits_for = resume(value)
        except (StopIteration, asyncio.CancelledError):
            self._ended(self)
        except BaseException as error:
            self._ended(self)
            context = {"message": f"{self._name} raised", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
        else:
            if isinstance(waits_for, Reply) and not waits_for.done():
                waits_for._asyncio_future_blocking = False  # taken note of, as a task does
                waits_for.hearer = self._answered
                self._awaits = waits_for
            else:
                self._become_task(waits_for)

    def _become_task(self, waits_for: Any) -> None:
        self._task = asyncio.get_running_loop().create_task(self._left(waits_for), name=self._name)
        self._task.add_done_callback(self._task_ended)

    async def _left(self, waits_for: Any) -> None:
        await rest(self._coroutine, waits_for)  # from Python 3.12 on a task takes nothing but a real coroutine

    def _task_ended(self, _: "asyncio.Task[None]") -> None:
        self._coroutine.close()  # a task that is cancelled before it began has not even looked at it
        self._ended(self)


@awaitable
def rest(
    coroutine: Coroutine[Any, Any, R], waits_for: Any, instead: BaseException | None = None
) -> Generator[Any, Any, R]:
    """What is left of a coroutine whose first step was to wait for something. `instead`: an error that it gets at once."""
    while True:
        try:
            try:
                if instead is not None:
                    thrown, instead = instead, None
                    raise thrown
                answer = yield waits_for
            except BaseException as error:
                waits_for = coroutine.throw(error)
            else:
                waits_for = coroutine.send(answer)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


async def cancelled(tasks: "Iterable[asyncio.Task[Any]]") -> None:
    """Cancel tasks until they have ended: one cancel is not always enough on Python 3.11."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.1)
