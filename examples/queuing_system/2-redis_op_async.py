"""Task 3: the same as task 2, but who reads a key awaits the answer."""
# ruff: noqa: E402

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at any time, also during the imports

import asyncio

from redis.exceptions import ResponseError
from redis_client import Client, print_reply

client = Client()


def set_new_school(school_name: str, value: str) -> None:
    client.set(school_name, value).add_done_callback(print_reply)


async def display_school_value(school_name: str) -> None:
    try:
        print(await client.get(school_name), flush=True)
    except ResponseError as error:
        print(error, flush=True)


async def main() -> None:
    await display_school_value("Holberton")
    set_new_school("HolbertonSanFrancisco", "100")
    await display_school_value("HolbertonSanFrancisco")
    await client.stay()


if __name__ == "__main__":
    asyncio.run(main())
