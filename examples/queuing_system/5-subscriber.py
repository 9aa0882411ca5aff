"""Task 5, the subscriber: prints the messages of a channel until one of them ends it."""
# ruff: noqa: E402

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at any time, also during the imports

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError, TimeoutError
from redis_client import Client, until_connected

CHANNEL = "holberton school channel"


async def subscribe(subscription: PubSub) -> None:
    await subscription.subscribe(CHANNEL)
    if not await subscription.get_message(timeout=5):
        raise TimeoutError("the server does not confirm the subscription")


async def messages(subscription: PubSub) -> AsyncIterator[str]:
    """All messages from now on. What is published while the connection is lost never comes: a channel keeps nothing."""
    while True:
        await until_connected(lambda: subscribe(subscription))
        with suppress(RedisError):
            while True:
                message = await subscription.get_message(timeout=60)
                if message and message["type"] == "message":
                    yield message["data"]


async def main() -> None:
    async with Client().pubsub() as subscription:
        async for message in messages(subscription):
            print(message, flush=True)
            if message == "KILL_SERVER":
                break
        with suppress(RedisError):  # a lost connection has ended the subscription as well
            await subscription.unsubscribe(CHANNEL)


if __name__ == "__main__":
    asyncio.run(main())
