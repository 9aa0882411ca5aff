"""Task 6, the processor: sends push notifications, one at a time, until Ctrl-C."""
# ruff: noqa: E402

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at any time; once it works, after the job that runs

import asyncio

import barq

queue = barq.Queue()


def send_notification(phone_number: str, message: str) -> None:
    print(f"Sending notification to {phone_number}, with message: {message}", flush=True)


@queue.handler("push_notification_code", concurrency=1)
async def process(job: barq.Job) -> None:
    send_notification(job.data["phoneNumber"], job.data["message"])


if __name__ == "__main__":
    asyncio.run(barq.Worker(queue).run())
