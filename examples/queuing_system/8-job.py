"""Task 8: a function that creates push notification jobs, made to be tested. See 8-job-main.py and 8-job_test.py."""

import asyncio

import barq


def create_push_notifications_jobs(jobs: list[dict[str, str]], queue: barq.Queue) -> "asyncio.Future[list[barq.Job]]":
    """Enqueue a job for each item and print what happens to it. Await the result to have all of them stored.

    Raises TypeError at the call when `jobs` is not a list.
    """
    if not isinstance(jobs, list):
        raise TypeError("Jobs is not an array")
    return asyncio.gather(*(notification_job(queue, data).save() for data in jobs))


def notification_job(queue: barq.Queue, data: dict[str, str]) -> barq.Job:
    def say(words: str) -> None:
        print(f"Notification job {words}", flush=True)

    job = queue.create("push_notification_code_3", data)
    job.on("enqueue", lambda: say(f"created: {job.id}"))
    job.on("progress", lambda percent, _data: say(f"{job.id} {percent}% complete"))
    job.on("complete", lambda _result: say(f"{job.id} completed"))
    job.on("failed", lambda error: say(f"{job.id} failed: {error}"))
    return job
