"""Steer: what the keys do to jobs, types and workers. What touches many is asked before; what was done is said."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal

from barq.cli.common import me
from barq.cli.top.dialogs import Confirm
from barq.cli.top.draw import number, one_line
from barq.errors import BarqError
from barq.query import where

if TYPE_CHECKING:
    from barq.cli.top.app import Top


Verb = Literal["retry", "cancel", "promote", "remove"]


class Steer:
    def __init__(self, top: "Top") -> None:
        self._top = top
        self._queue = top.queue
        self._by = me()

    def nothing(self, message: str) -> None:
        self._top.notify(message, severity="warning", markup=False)

    # ---- a job

    def retry(self, id: int) -> None:
        self._do(lambda: self._queue.retry(id, by=self._by), f"job {id} will run again")

    def cancel(self, id: int) -> None:
        self._do(lambda: self._queue.cancel(id, by=self._by), f"job {id} cancelled; r runs it again")

    # ---- many

    def retry_failed(self, type: str) -> None:
        self.all("retry", where(state="failed", type=type), f"failed jobs of type {one_line(type)}")

    def all(self, verb: Verb, query: str, what: str) -> None:
        """Ask, with their number, then act on all that a query finds."""

        async def ask() -> str:
            counted = await self._queue.act_on(verb, where=query, dry_run=True)
            if not counted.matched:
                return f"there are no {what} to {verb}"
            many = f"{'more than ' if counted.more else ''}{number(counted.matched)}"
            if await self._top.push_screen_wait(Confirm(f"{verb.capitalize()} {many} {what}?")):
                return await self._all(verb, query)
            return ""

        self._say(ask)

    async def _all(self, verb: Verb, query: str) -> str:
        done, after = 0, None
        while True:
            acted = await self._queue.act_on(verb, where=query, after=after, by=self._by)
            done, after = done + acted.done, acted.next
            if after is None:
                return f"{number(done)} jobs: {verb} done"

    # ---- types and the queue

    def pause(self, type: str, *, paused: bool) -> None:
        if paused:
            self._do(lambda: self._queue.resume(type, by=self._by), f"type {one_line(type)} goes on")
        else:
            self._do(lambda: self._queue.pause(type, by=self._by), f"type {one_line(type)} is paused; p has it go on")

    def pause_or_resume(self, type: str) -> None:
        async def turn() -> str:
            types = await self._queue.types()
            if type in types and types[type].paused:
                await self._queue.resume(type, by=self._by)
                return f"type {one_line(type)} goes on"
            await self._queue.pause(type, by=self._by)
            return f"type {one_line(type)} is paused; p has it go on"

        self._say(turn)

    def pause_queue(self) -> None:
        async def turn() -> str:
            if await self._queue.paused():
                await self._queue.resume(by=self._by)
                return "the queue goes on"
            if await self._top.push_screen_wait(Confirm(f"Pause all of queue {self._queue.name}?")):
                await self._queue.pause(by=self._by)
                return "the queue is paused; P has it go on"
            return ""

        self._say(turn)

    # ---- workers

    def drain(self, id: str, *, draining: bool) -> None:
        if draining:
            self._do(lambda: self._queue.resume_worker(id, by=self._by), f"worker {id} goes on")
        else:
            self._do(
                lambda: self._queue.drain_worker(id, by=self._by), f"worker {id} ends what it runs; d has it go on"
            )

    def stop(self, id: str) -> None:
        async def ask() -> str:
            if await self._top.push_screen_wait(Confirm(f"Stop worker {id}? What it runs gets its time to end.")):
                await self._queue.stop_worker(id, by=self._by)
                return f"worker {id} stops"
            return ""

        self._say(ask)

    # ---- how it is done

    def _do(self, act: Callable[[], Awaitable[object]], message: str) -> None:
        async def done() -> str:
            await act()
            return message

        self._say(done)

    def _say(self, act: Callable[[], Awaitable[str]]) -> None:
        if self._top.read_only:
            self.nothing("read-only: nothing is changed")
            return

        async def run() -> None:
            try:
                message = await act()
            except BarqError as error:
                self._top.notify(str(error), severity="error", markup=False)
            else:
                if message:
                    self._top.notify(message, markup=False)
            self._top.look_now()

        self._top.run_worker(run(), exit_on_error=False)
