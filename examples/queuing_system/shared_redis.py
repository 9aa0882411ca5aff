"""Redis for the HTTP services: what many requests ask leaves in one write, and no wait is without an end.

A connection and a round trip for each request, as redis-py does by itself, would halve what a service can answer.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, ReadOnlyError, TimeoutError

AWAY = (ConnectionError, TimeoutError, ReadOnlyError)
MOST_AT_ONCE = 200
PAUSE_SECONDS = 0.1

READ = """
local values = {}
for at, key in ipairs(KEYS) do values[at] = redis.pcall('GET', key) end
return values
"""  # MGET would do, but says of a key that holds something else that it holds nothing


class RedisAway(Exception):
    """Redis has not answered in time. Whether it did what was asked is not known: ask again in the same words."""


@dataclass(slots=True)
class Asked:
    command: tuple[str | int, ...]
    answered: "asyncio.Future[Any]"
    deadline: asyncio.TimerHandle | None


class SharedRedis:
    """One connection for all requests. It repeats each command until that is answered, so repeating must be harmless."""

    def __init__(self) -> None:
        url = os.environ.get("BARQ_URL") or os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379"
        bounds = {"socket_timeout": 1, "socket_connect_timeout": 1, "retry": Retry(NoBackoff(), 0)}
        try:
            self._client = redis.asyncio.from_url(url, decode_responses=True, **bounds)
        except ValueError as error:
            raise SystemExit(f"{url!r} names no Redis: {error}") from None
        self._asked: list[Asked] = []
        self._sender: asyncio.Task[None] | None = None
        self._reading = Together(self, lambda keys: ("EVAL", READ, len(keys), *keys))

    def get(self, key: str, within: float = 1.5) -> "asyncio.Future[str | None]":
        """The value of a key. Await it as `do`; those of many requests are read in one command."""
        return self._reading.ask(key, within)

    def do(self, *command: str | int, within: float | None = 1.5) -> "asyncio.Future[Any]":
        """Await it for the reply. Raises RedisAway when there is none within so many seconds (None: waits for ever)."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Any] = loop.create_future()
        deadline = None if within is None else loop.call_later(within, give_up, answered)
        self._asked.append(Asked(command, answered, deadline))
        if self._sender is None or self._sender.done():
            self._sender = loop.create_task(self._send())
        return answered

    async def close(self) -> None:
        """Close the connection; what has no answer yet gets none."""
        self._asked.clear()
        if self._sender is not None:
            await asyncio.wait([self._sender], timeout=0.5)
        await self._client.aclose()

    async def _send(self) -> None:
        """While answers are on their way the next commands gather; they leave together."""
        while self._asked:
            batch = [asked for asked in self._asked[:MOST_AT_ONCE] if not asked.answered.done()]
            del self._asked[:MOST_AT_ONCE]
            away = []
            for asked, reply in zip(batch, await self._replies(batch), strict=True):
                if isinstance(reply, AWAY):
                    away.append(asked)
                else:
                    settle(asked, reply)
            if away:
                self._asked[:0] = away
                await asyncio.sleep(PAUSE_SECONDS)

    async def _replies(self, batch: list[Asked]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for asked in batch:
            pipeline.execute_command(*asked.command)
        try:
            return await pipeline.execute(raise_on_error=False)
        except Exception as error:  # that holds for all of them
            return [error] * len(batch)


class Together:
    """What many requests ask for as one command: those that come while an answer is on its way leave together.

    `command` makes it of their words; its reply is a list with an answer for each. Repeating it must be harmless.
    """

    def __init__(self, redis: SharedRedis, command: Callable[[list[str]], tuple[str | int, ...]]) -> None:
        self._redis = redis
        self._command = command
        self._asked: list[Asked] = []
        self._sender: asyncio.Task[None] | None = None

    def ask(self, word: str, within: float = 1.5) -> "asyncio.Future[Any]":
        """Await it for the answer. Raises RedisAway when there is none within so many seconds."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Any] = loop.create_future()
        self._asked.append(Asked((word,), answered, loop.call_later(within, give_up, answered)))
        if self._sender is None or self._sender.done():
            self._sender = loop.create_task(self._send())
        return answered

    async def _send(self) -> None:
        while self._asked:
            batch = [asked for asked in self._asked[:MOST_AT_ONCE] if not asked.answered.done()]
            del self._asked[:MOST_AT_ONCE]
            if not batch:
                continue
            try:
                replies = await self._redis.do(*self._command([str(asked.command[0]) for asked in batch]), within=None)
            except Exception as error:  # that holds for all of them
                replies = [error] * len(batch)
            for asked, reply in zip(batch, replies, strict=True):
                settle(asked, reply)


def settle(asked: Asked, reply: Any) -> None:
    if asked.deadline is not None:
        asked.deadline.cancel()
    if asked.answered.done():
        return
    if isinstance(reply, Exception):
        asked.answered.set_exception(reply)
    else:
        asked.answered.set_result(reply)


def give_up(answered: "asyncio.Future[Any]") -> None:
    if not answered.done():
        answered.set_exception(RedisAway())
