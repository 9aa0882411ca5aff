"""Tutorial: creates one email job and works on emails as well, until Ctrl-C. `python kue-email.py ADDRESS` chooses to whom.

What is no address fails, so `python kue-email.py nobody` shows the attempts.
"""
# ruff: noqa: E402

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at any time; once it works, after the email that is sent

import asyncio
import sys

import barq

queue = barq.Queue(timeout=None)  # waits for the server as long as it takes


def say(words: str) -> None:
    print(words, flush=True)


@queue.handler("email")
async def process(job: barq.Job) -> str:
    say(f"Processing job {job.id}: sending email to {job.data['to']}")
    return await send_email(job.data["to"])


async def send_email(to: str) -> str:
    """Stands for a mail server, which takes its time. What it returns is the job's result."""
    if "@" not in to:
        raise ValueError(f"{to} is not an email address")  # this attempt has failed; the next is in a second
    await asyncio.sleep(2)
    say(f"Email sent to {to}")
    return f"accepted for {to}"


async def main(to: str) -> None:
    async with queue:
        email = {"to": to, "title": "Welcome", "template": "welcome-email"}
        job = queue.create("email", email, attempts=3, backoff=barq.fixed(1))
        job.on("complete", lambda result: say(f"Job {job.id} completed with result: {result}"))
        job.on("failed attempt", lambda error: say(f"Job failed with error: {error}"))
        job.on("failed", lambda error: say(f"Job failed with error after all attempts: {error}"))
        await job.save()
        say(f"Job created: {job.id}")
        await barq.Worker(queue, lease=5).run()  # if it is killed, another one takes its email over within 5 s


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ann@example.org"))
