"""Task 7, the creator: enqueues eleven push notifications and tells the progress of each."""
# ruff: noqa: E402

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at any time, also during the imports

import asyncio

import barq

CODES = [
    ("4153518780", 1234),
    ("4153518781", 4562),
    ("4153518743", 4321),
    ("4153538781", 4562),
    ("4153118782", 4321),
    ("4153718781", 4562),
    ("4159518782", 4321),
    ("4158718781", 4562),
    ("4153818782", 4321),
    ("4154318781", 4562),
    ("4151218782", 4321),
]

JOBS = [{"phoneNumber": number, "message": f"This is the code {code} to verify your account"} for number, code in CODES]


def notification_job(queue: barq.Queue, data: dict[str, str]) -> barq.Job:
    """A job that is not saved yet, so that its callbacks will hear all of its life."""

    def say(words: str) -> None:
        print(f"Notification job {words}", flush=True)

    job = queue.create("push_notification_code_2", data)
    job.on("enqueue", lambda: say(f"created: {job.id}"))
    job.on("progress", lambda percent, _data: say(f"{job.id} {percent}% complete"))
    job.on("complete", lambda _result: say(f"{job.id} completed"))
    job.on("failed", lambda error: say(f"{job.id} failed: {error}"))
    return job


async def main() -> None:
    async with barq.Queue(timeout=None) as queue:  # waits for the server as long as it takes
        jobs = [notification_job(queue, data) for data in JOBS]
        await asyncio.gather(*(job.save() for job in jobs))  # at a time, so they travel in one call
        await asyncio.gather(*(job.wait() for job in jobs))


if __name__ == "__main__":
    asyncio.run(main())
