"""What the tests of the HTTP API need: a client without a socket, a real uvicorn, and a reader of server-sent events."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import uvicorn


def client(app: Any, **options: Any) -> httpx.AsyncClient:
    """Calls the application directly, as this machine under a local name."""
    options.setdefault("base_url", "http://127.0.0.1")
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), **options)


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """The application behind a real uvicorn; gives its address. Nothing is forced: it has to stop by itself."""
    bound = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    running = asyncio.create_task(server.serve(sockets=[bound]))
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        await asyncio.wait_for(running, 5)


class Events:
    """Server-sent events as they come, each with `id`, `event` and `data`."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()
        self.comments: list[str] = []
        self.retry: int | None = None

    async def next(self, *, seconds: float = 15) -> dict[str, Any] | None:
        """The next event, None at the end of the stream."""
        async with asyncio.timeout(seconds):
            found: dict[str, Any] = {}
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if line.startswith(":"):
                    self.comments.append(line)
                elif name == "retry":
                    self.retry = int(value)
                elif line:
                    found[name] = json.loads(value) if name == "data" else value
                elif found:
                    return found
            return None

    async def take(self, count: int) -> list[dict[str, Any]]:
        events = [await self.next() for _ in range(count)]
        assert None not in events
        return events  # type: ignore[return-value]

    async def rest(self) -> list[dict[str, Any]]:
        """All until the stream ends."""
        events = []
        while (event := await self.next()) is not None:
            events.append(event)
        return events


@contextlib.asynccontextmanager
async def listening(url: str, **options: Any) -> AsyncIterator[Events]:
    async with httpx.AsyncClient(timeout=20) as web, web.stream("GET", url, **options) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Events(response)


def problem(response: httpx.Response, status: int, code: str) -> str:
    """Checks that an answer is a problem, and returns its detail."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    told = response.json()
    assert (told["status"], told["code"], told["type"]) == (status, code, "about:blank")
    assert told["title"]
    return str(told["detail"])
