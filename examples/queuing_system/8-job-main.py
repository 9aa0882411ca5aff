"""Task 8, the program: creates one push notification job and stays until it has ended."""
# ruff: noqa: E402

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at any time, also during the imports

import asyncio
import importlib

import barq

create_push_notifications_jobs = importlib.import_module("8-job").create_push_notifications_jobs

JOBS = [{"phoneNumber": "4153518780", "message": "This is the code 1234 to verify your account"}]


async def main() -> None:
    async with barq.Queue(timeout=None) as queue:  # waits for the server as long as it takes
        jobs = await create_push_notifications_jobs(JOBS, queue)
        await asyncio.gather(*(job.wait() for job in jobs))


if __name__ == "__main__":
    asyncio.run(main())
