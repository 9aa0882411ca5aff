"""Task 5, the publisher: sends four messages to a channel, one every tenth of a second."""
# ruff: noqa: E402

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at any time, also during the imports

import asyncio
from contextlib import aclosing

from redis.exceptions import ResponseError
from redis_client import Client

CHANNEL = "holberton school channel"

client = Client()


async def publish_message(message: str, time: float) -> None:
    """Publish it after `time` milliseconds."""
    await asyncio.sleep(time / 1000)
    print(f"About to send {message}", flush=True)
    await client.publish(CHANNEL, message)


async def main() -> None:
    async with aclosing(client):
        await client.ping()  # the times count from when it is connected
        await asyncio.gather(
            publish_message("Holberton Student #1 starts course", 100),
            publish_message("Holberton Student #2 starts course", 200),
            publish_message("KILL_SERVER", 300),
            publish_message("Holberton Student #3 starts course", 400),
        )


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except ResponseError as error:
        raise SystemExit(f"Not published: {error}") from None
