"""What the tests of the dashboard need: the application behind a real uvicorn, a worker beside it, a browser before it."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect

import barq
import barq.dashboard
from tests.support import Server, wait_until

WAIT_MS = 20_000
expect.set_options(timeout=WAIT_MS)  # 5 s are too few for a browser on a busy machine


class Dashboard:
    """A queue's dashboard, in a thread with an event loop of its own."""

    def __init__(self, server: Server, name: str, **settings: Any) -> None:
        self._queue = barq.Queue(name, url=server.url)
        self.app = barq.dashboard.app(self._queue, **settings)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(
            uvicorn.Config(self.app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        )
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self) -> None:
        async with self._queue:
            await self._queue.ping()
            self.lookout = self.app.state.site.lookout
            await self._server.serve(sockets=[self._socket])

    def __enter__(self) -> "Dashboard":
        self._thread.start()
        wait_until(lambda: self._server.started, "it listens")
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()


@contextlib.contextmanager
def working(queue: barq.Queue) -> Iterator[barq.Worker]:
    """A worker in a thread, as long as the block lasts."""
    worker = barq.Worker(queue)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(_run(queue, worker)))
    thread.start()
    try:
        yield worker
    finally:
        loop.call_soon_threadsafe(lambda: worker.stop(now=True))
        thread.join(20)
        assert not thread.is_alive()
        loop.close()


def work_off(queue: barq.Queue) -> None:
    """Run what waits. In a thread: this one has the loop of the browser."""
    thread = threading.Thread(target=lambda: asyncio.run(_run(queue, barq.Worker(queue, burst=True))))
    thread.start()
    thread.join(60)
    assert not thread.is_alive()


async def _run(queue: barq.Queue, worker: barq.Worker) -> None:
    async with queue:
        await worker.run(signals=False)


class Person:
    """A browser with one page on a dashboard, who counts clicks, and what the page complains of."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        options.setdefault("color_scheme", "light")
        width, height = options.pop("width", 1400), options.pop("height", 900)
        self.context: BrowserContext = browser.new_context(viewport={"width": width, "height": height}, **options)
        self.context.set_default_timeout(WAIT_MS)
        self.page: Page = self.context.new_page()
        self.url = url
        self.clicks = 0
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._note(request.url))

    def _note(self, url: str) -> None:
        if urlsplit(url).hostname not in ("127.0.0.1", None):
            self.complaints.append(f"asks for {url}")

    def opens(self, where: str = "") -> Page:
        self.page.goto(f"{self.url}/#/{where}")
        self.page.locator("#live.live").wait_for()
        return self.page

    def click(self, selector: str, **options: Any) -> None:
        self.clicks += 1
        self.page.locator(selector).first.click(**options)
