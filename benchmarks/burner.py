"""Burner: an application whose handler burns 1 ms of CPU. rows.py works it off with one process and with two."""

import time
from typing import Any

import barq

queue = barq.Queue()


@queue.handler("burn")
async def burn(job: barq.Job[Any]) -> None:
    enough = time.thread_time() + 0.001
    while time.thread_time() < enough:
        pass
