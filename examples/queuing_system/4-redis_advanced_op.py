"""Task 4: writes a hash field by field, and reads it in one, with callbacks."""
# ruff: noqa: E402

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at any time, also during the imports

import asyncio

from redis_client import Client, print_reply, print_value

KEY = "HolbertonSchools"
SCHOOLS = {"Portland": 50, "Seattle": 80, "New York": 20, "Bogota": 20, "Cali": 40, "Paris": 2}

client = Client()


async def main() -> None:
    for city, number in SCHOOLS.items():
        client.hset(KEY, city, number).add_done_callback(print_reply)
    client.hgetall(KEY).add_done_callback(print_value)
    await client.stay()


if __name__ == "__main__":
    asyncio.run(main())
