"""`barq demo`: a server, two workers, jobs of five types and a dashboard, to watch. All of it ends with the command."""

import asyncio
import contextlib
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

import click

import barq
from barq.cli import demo_dashboard, demo_jobs, exits
from barq.cli.demo_dashboard import Dashboard
from barq.cli.demo_tally import Tally, line
from barq.store import embedded

_WORKERS: Final = 2
_FRAMES_PER_SECOND: Final = 10
_GRACE_SECONDS: Final = 3
_STOP_SECONDS: Final = 10
_LAST_WORDS_SECONDS: Final = 1.0


@click.command()
@click.option("--seconds", type=click.FloatRange(min=0.1), help="How long.  [default: until Ctrl-C]")
@click.option("--rate", type=click.FloatRange(0.1, 50), default=4.0, show_default=True, help="New jobs a second.")
@click.option("--dashboard/--no-dashboard", default=True, help="Serve the dashboard beside it.  [default: yes]")
def demo(*, seconds: float | None, rate: float, dashboard: bool) -> None:
    """Show barq at work: a server, two workers, and jobs of five types of which some fail, with the dashboard on them.

    In a terminal it draws what happens, elsewhere it prints a line for each event, and at the end a summary. The server
    is one of its own, with data that is thrown away.
    """
    logging.getLogger("barq").addHandler(logging.NullHandler())
    shown = Demo(seconds=seconds, rate=rate, dashboard=dashboard)
    asyncio.run(shown.run())
    click.echo(shown.tally.summary())
    if shown.trouble:
        exits.end(shown.trouble)


class Demo:
    def __init__(self, *, seconds: float | None, rate: float, dashboard: bool) -> None:
        self._seconds = seconds
        self._rate = rate
        self._slots = max(2, min(50, round(rate))) * _WORKERS
        self._stop = asyncio.Event()
        self._at_work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._folder = Path(tempfile.gettempdir())
        self._workers: list[asyncio.subprocess.Process] = []
        self._lines = True
        self._dashboard = Dashboard() if dashboard and demo_dashboard.can_be() else None
        self._where = ""
        self.tally = Tally(self._slots)
        self.trouble = ""

    async def run(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._signalled)
        self._folder = Path(tempfile.mkdtemp(prefix="barq-demo-"))
        try:
            address = await asyncio.to_thread(embedded.ensure, self._folder)
            async with barq.Queue(demo_jobs.queue.name, url=address.url) as queue:
                await self._live(queue, address.url)
        finally:
            await asyncio.to_thread(embedded.stop, self._folder)
            shutil.rmtree(self._folder, ignore_errors=True)

    def _signalled(self) -> None:
        if self._stop.is_set():  # a second Ctrl-C: running jobs are handed back at once
            self._signal_workers()
        self._stop.set()

    async def _live(self, queue: barq.Queue, url: str) -> None:
        self._where = f"Look inside: barq ls --queue {queue.name} --url {url}"
        shown = [task] if (task := self._show()) else []
        following = asyncio.create_task(self._follow(queue))
        producing = asyncio.create_task(self._produce(queue))
        serving = asyncio.create_task(self._serve(queue, url))
        try:
            for _ in range(_WORKERS):
                self._workers.append(await self._start_worker(url))
            ends = [asyncio.create_task(worker.wait()) for worker in self._workers]
            stopped, ended = asyncio.create_task(self._stop.wait()), asyncio.create_task(self._time_is_up())
            await asyncio.wait(
                [stopped, ended, following, producing, *shown, *ends], return_when=asyncio.FIRST_COMPLETED
            )
            if any(end.done() for end in ends):
                self.trouble = f"a worker ended by itself: {self._last_words()}"
            self._stop.set()
            producing.cancel()
            await self._stop_workers()
            with contextlib.suppress(TimeoutError):  # what the workers did last may still be on its way
                await asyncio.wait_for(self._idle.wait(), _LAST_WORDS_SECONDS)
        finally:
            for worker in self._workers:
                if worker.returncode is None:
                    worker.kill()
                    await worker.wait()
            await _cancelled(producing, following, serving, *shown)
            if self._dashboard is not None:
                await self._dashboard.stop()
        self._raise_from(producing, following, serving, *shown)

    # ---- what goes on

    async def _start_worker(self, url: str) -> asyncio.subprocess.Process:
        options = [f"--concurrency={self._slots // _WORKERS}", f"--grace={_GRACE_SECONDS}", "--quiet"]
        # a process group of its own: Ctrl-C is for the demo, which ends one thing after the other
        with (self._folder / "worker.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "barq", "worker", "--tied", *options, f"{demo_jobs.__name__}:queue"),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, demo_jobs.URL: url},
                process_group=0,
            )

    async def _serve(self, queue: barq.Queue, url: str) -> None:
        """Say where the dashboard is, once it is there."""
        if self._dashboard is None:
            return
        await self._dashboard.start(queue.name, url, self._folder / "dashboard.log")
        if self._dashboard.address:
            self._where = f"Dashboard: {self._dashboard.address}"
            if self._lines:
                click.echo(self._where)

    async def _produce(self, queue: barq.Queue) -> None:
        burst = round(self._rate)
        while True:
            for _ in range(burst):
                new = demo_jobs.some()
                job = await queue.enqueue(new.type, new.data, title=new.title, **new.options)
                self.tally.titles[job.id] = new.title
            await self._at_work.wait()
            burst = 1 if random.random() < 0.95 else round(2 * self._rate)
            await asyncio.sleep(random.expovariate(self._rate / 1.3))

    async def _follow(self, queue: barq.Queue) -> None:
        async for event in queue.events(after="0"):
            self.tally.take(event)
            if self.tally.busy:
                self._idle.clear()
            else:
                self._idle.set()
            if event.name == "start" and not self._at_work.is_set():
                self.tally.begin()
                self._at_work.set()
            if self._lines and (words := line(event, self.tally)):
                click.echo(words)

    async def _time_is_up(self) -> None:
        if self._seconds is None:
            await asyncio.get_running_loop().create_future()
        else:
            await self._at_work.wait()
            await asyncio.sleep(self._seconds)

    def _show(self) -> "asyncio.Task[None] | None":
        """Draw, if this is a terminal that can be drawn on and rich is installed."""
        if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
            return None
        try:
            from barq.cli.demo_view import Screen
        except ImportError:
            return None
        self._lines = False
        screen = Screen(self.tally)

        async def draw() -> None:
            with screen:
                while True:
                    screen.draw(where=self._where, stopping=self._stop.is_set())
                    await asyncio.sleep(1 / _FRAMES_PER_SECOND)

        return asyncio.create_task(draw())

    # ---- the end

    async def _stop_workers(self) -> None:
        self._signal_workers()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                for worker in self._workers:
                    await worker.wait()

    def _signal_workers(self) -> None:
        for worker in self._workers:
            if worker.returncode is None:
                worker.send_signal(signal.SIGTERM)

    def _last_words(self) -> str:
        lines = (self._folder / "worker.log").read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"

    def _raise_from(self, *tasks: "asyncio.Task[None]") -> None:
        for task in tasks:
            if not task.cancelled() and (error := task.exception()):
                raise error


async def _cancelled(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
