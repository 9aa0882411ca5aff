"""Task 6, the creator: enqueues one push notification and says how it ends."""
# ruff: noqa: E402

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at any time, also during the imports

import asyncio

import barq


async def main() -> None:
    async with barq.Queue(timeout=None) as queue:  # waits for the server as long as it takes
        job = queue.create(
            "push_notification_code",
            {"phoneNumber": "4153518780", "message": "This is the code to verify your account"},
        )
        job.on("enqueue", lambda: print(f"Notification job created: {job.id}", flush=True))
        job.on("complete", lambda _result: print("Notification job completed", flush=True))
        job.on("failed", lambda _error: print("Notification job failed", flush=True))
        await job.save()
        await job.wait()


if __name__ == "__main__":
    asyncio.run(main())
