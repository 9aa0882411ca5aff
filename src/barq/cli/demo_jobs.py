"""The jobs of `barq demo`: push notifications, of which some fail. Its workers run this, `barq worker barq.cli.demo_jobs`."""

import asyncio
import os
import random
from typing import Any, Final

import barq
from barq.queue import DEFAULT_URL

URL: Final = "BARQ_DEMO_URL"
"""Environment variable through which the demo tells its workers where its server is."""

TYPE: Final = "push_notification"
BLACK_LIST: Final = ("4153518780", "4153518781")

_BLACK_LISTED: Final = 0.06
_SECONDS: Final = (0.6, 1.8)
_UNLUCKY: Final = "07"  # numbers that end so are not reached at first

queue = barq.Queue("demo", url=os.environ.get(URL, DEFAULT_URL))


def notification() -> dict[str, str]:
    """The data of a new job."""
    number = random.choice(BLACK_LIST) if random.random() < _BLACK_LISTED else f"415{random.randint(3500000, 3599999)}"
    return {"phoneNumber": number, "message": f"This is the code {random.randint(1000, 9999)} to verify your account"}


def attempts(number: str) -> int:
    """To try a black-listed number again would be of no use."""
    return 1 if number in BLACK_LIST else 3


@queue.handler(TYPE, backoff=barq.fixed(1.5))
async def send_notification(job: barq.Job[Any]) -> None:
    number = job.data["phoneNumber"]
    job.progress(0)
    if number in BLACK_LIST:
        await asyncio.sleep(0.3)
        raise ValueError(f"Phone number {number} is blacklisted")
    steps = random.randint(4, 9)
    pause = random.uniform(*_SECONDS) / steps
    for step in range(1, steps + 1):
        await asyncio.sleep(pause)
        if number[-1] in _UNLUCKY and job.failures == 0 and step > steps // 2:
            raise ConnectionError("the provider hung up")
        job.progress(step, steps)
