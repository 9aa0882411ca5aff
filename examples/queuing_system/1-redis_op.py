"""Task 2: sets a key and reads keys, with callbacks: nobody waits, the answers come to whom they concern."""
# ruff: noqa: E402

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at any time, also during the imports

import asyncio

from redis_client import Client, print_reply, print_value

client = Client()


def set_new_school(school_name: str, value: str) -> None:
    client.set(school_name, value).add_done_callback(print_reply)


def display_school_value(school_name: str) -> None:
    client.get(school_name).add_done_callback(print_value)


async def main() -> None:
    display_school_value("Holberton")
    set_new_school("HolbertonSanFrancisco", "100")
    display_school_value("HolbertonSanFrancisco")
    await client.stay()


if __name__ == "__main__":
    asyncio.run(main())
