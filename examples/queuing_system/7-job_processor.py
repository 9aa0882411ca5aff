"""Task 7, the processor: sends push notifications, two at a time, but none to a black-listed number, until Ctrl-C."""
# ruff: noqa: E402

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at any time; once it works, after the job that runs

import asyncio

import barq

BLACK_LIST = ["4153518780", "4153518781"]

queue = barq.Queue()


def send_notification(phone_number: str, message: str, job: barq.Job) -> None:
    job.progress(0, 100)  # said at once and in order; only who wants to know that it was stored awaits it
    if phone_number in BLACK_LIST:
        raise ValueError(f"Phone number {phone_number} is blacklisted")
    job.progress(50, 100)
    print(f"Sending notification to {phone_number}, with message: {message}", flush=True)


@queue.handler("push_notification_code_2", concurrency=2)
async def process(job: barq.Job) -> None:
    send_notification(job.data["phoneNumber"], job.data["message"], job)


if __name__ == "__main__":
    asyncio.run(barq.Worker(queue).run())
