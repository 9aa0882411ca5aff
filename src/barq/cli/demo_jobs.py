"""The jobs of `barq demo`, of several types, of which some fail. Its workers run this, `barq worker barq.cli.demo_jobs`."""

import asyncio
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import barq
from barq.queue import DEFAULT_URL

URL: Final = "BARQ_DEMO_URL"
"""Environment variable through which the demo tells its workers where its server is."""

BLACK_LIST: Final = ("4153518780", "4153518781")

_BLACK_LISTED: Final = 0.06
_UNLUCKY: Final = "07"  # what ends so is not reached at first
_NAMES: Final = ("ann", "bob", "cem", "dora", "eve", "finn", "gita", "hugo")

queue = barq.Queue("demo", url=os.environ.get(URL, DEFAULT_URL))


class MailboxFull(Exception):
    """No further attempt would help before somebody reads."""


class CardDeclined(Exception):
    """What a bank says."""


@dataclass(frozen=True)
class New:
    """A job to come: what `queue.enqueue` takes."""

    type: str
    data: dict[str, Any]
    title: str
    options: dict[str, Any] = field(default_factory=dict)


# ---- what is asked for


def notification() -> New:
    number = random.choice(BLACK_LIST) if random.random() < _BLACK_LISTED else f"415{random.randint(3500000, 3599999)}"
    data = {"phoneNumber": number, "message": f"This is the code {random.randint(1000, 9999)} to verify your account"}
    return New("push_notification", data, number, {"attempts": 1 if number in BLACK_LIST else 3})  # of no use again


def email() -> New:
    to = f"{random.choice(_NAMES)}{random.randint(10, 99)}@example.org"
    data = {"to": to, "subject": "Your order is on its way"}
    return New("send_email", data, to, {"attempts": 2, "priority": "high"})


def picture() -> New:
    name = f"photo-{random.randint(1000, 9999)}.jpg"
    return New("resize_picture", {"file": name, "widths": [320, 800, 1600]}, name, {"priority": "low"})


def payment() -> New:
    order = random.randint(10_000, 99_999)
    cents = random.randint(500, 20_000)
    return New("charge_card", {"order": order, "cents": cents}, f"order {order}", {"attempts": 2, "timeout": 10})


def report() -> New:
    month = f"2026-{random.randint(1, 12):02}"
    return New("monthly_report", {"month": month}, month, {"priority": "low", "delay": random.choice([0, 20])})


_KINDS: Final[dict[Callable[[], New], int]] = {notification: 46, email: 26, picture: 14, payment: 11, report: 3}


def some() -> New:
    return random.choices(list(_KINDS), list(_KINDS.values()))[0]()


# ---- what is done


async def _in_steps(job: barq.Job[Any], seconds: float, steps: int) -> None:
    """Work, with progress; what is unlucky breaks off at its first attempt."""
    for step in range(1, steps + 1):
        await asyncio.sleep(seconds / steps)
        if (job.title or "")[-1:] in _UNLUCKY and job.failures == 0 and step > steps // 2:
            raise ConnectionError("the provider hung up")
        job.progress(step, steps)


@queue.handler("push_notification", backoff=barq.fixed(1.5))
async def send_notification(job: barq.Job[Any]) -> None:
    number = job.data["phoneNumber"]
    job.progress(0)
    if number in BLACK_LIST:
        await asyncio.sleep(0.3)
        raise ValueError(f"Phone number {number} is blacklisted")
    await _in_steps(job, random.uniform(0.6, 1.8), random.randint(4, 9))


@queue.handler("send_email", backoff=barq.fixed(2))
async def send_email(job: barq.Job[Any]) -> str:
    await asyncio.sleep(random.uniform(0.05, 0.4))
    if random.random() < 0.04:
        raise MailboxFull(f"550 the mailbox of {job.data['to']} is full")
    job.log(f"accepted for {job.data['to']}")
    return "accepted"


@queue.handler("resize_picture")
async def resize_picture(job: barq.Job[Any]) -> list[str]:
    await _in_steps(job, random.uniform(1, 4), 3)
    return [f"{width}-{job.data['file']}" for width in job.data["widths"]]


@queue.handler("charge_card", backoff=barq.exponential(1))
async def charge_card(job: barq.Job[Any]) -> dict[str, Any]:
    await asyncio.sleep(random.uniform(0.3, 1.2))
    if job.data["cents"] > 18_500:
        raise CardDeclined("the bank said no: limit reached")
    if random.random() < 0.15:
        raise TimeoutError("no answer from the bank")
    return {"paid": job.data["cents"]}


@queue.handler("monthly_report", concurrency=1)
async def monthly_report(job: barq.Job[Any]) -> str:
    for part in ("orders", "returns", "taxes"):
        job.log(f"reading {part} of {job.data['month']}")
    await _in_steps(job, random.uniform(6, 15), 40)
    return f"report-{job.data['month']}.pdf"
