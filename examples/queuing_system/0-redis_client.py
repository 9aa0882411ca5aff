"""Task 1: connects to the server, and stays connected until Ctrl-C. How it does so is in redis_client.py."""
# ruff: noqa: E402

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at any time, also during the imports

import asyncio

from redis_client import Client


async def main() -> None:
    await Client().stay()


if __name__ == "__main__":
    asyncio.run(main())
