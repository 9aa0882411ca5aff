"""What tasks 1 to 5 share: redis-py's client, made to say when it is connected and to wait for the server for ever."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import ConnectionError, RedisError, ResponseError, TimeoutError

URL = os.environ.get("BARQ_URL") or os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379"
if URL.startswith("valkey"):
    URL = URL.replace("valkey", "redis", 1)  # the only name by which redis-py knows it


async def until_connected(attempt: Callable[[], Awaitable[object]]) -> None:
    """Try to reach the server until it works, and print how each attempt went. The delay grows from 0.2 to 5 seconds."""
    delay = 0.2
    while True:
        try:
            await attempt()
        except RedisError as error:
            print(f"Redis client not connected to the server: {error}", flush=True)
            await asyncio.sleep(delay)
            delay = min(delay * 1.7, 5)
        else:
            print("Redis client connected to the server", flush=True)
            return


class Client(Redis):
    """A client that never gives up: a command waits for the server, and is sent again when its answer got lost.

    Each command is a future: await it, or give it a callback.
    """

    def __init__(self) -> None:
        try:
            pool = ConnectionPool.from_url(URL, decode_responses=True, socket_timeout=5, retry=None)
            pool.make_connection()  # does not connect yet
        except (ValueError, TypeError):
            raise SystemExit("BARQ_URL or REDIS_URL must be a URL such as redis://127.0.0.1:6379") from None
        super().__init__(connection_pool=pool, single_connection_client=True)
        self._connected = False
        self._turn = asyncio.Lock()

    def execute_command(self, *command: Any, **options: Any) -> asyncio.Future[Any]:
        return asyncio.ensure_future(self._send(*command, **options))

    async def _send(self, *command: Any, **options: Any) -> Any:
        send = super().execute_command
        async with self._turn:  # one after the other, in the order in which they were given
            while True:
                if not self._connected:
                    await until_connected(lambda: send("PING"))
                    self._connected = True
                try:
                    return await send(*command, **options)
                except (ConnectionError, TimeoutError):
                    self._connected = False

    async def stay(self) -> None:
        """Stay connected until Ctrl-C. Who never asks anything would not notice that the connection is lost."""
        while True:
            with suppress(ResponseError):  # an answer all the same
                await self.ping()
            await asyncio.sleep(0.5)


def print_reply(reply: asyncio.Future[Any]) -> None:
    """A callback for a command that writes: prints what the server replied, or its error."""
    if error := reply.exception():
        print(error, flush=True)
    else:
        value = reply.result()
        print(f"Reply: {'OK' if value is True else value}", flush=True)


def print_value(reply: asyncio.Future[Any]) -> None:
    """A callback for a command that reads: prints the value, or the server's error."""
    print(reply.exception() or reply.result(), flush=True)
