"""The ten commonest tasks, as a person does them, from the first page on; how many clicks each takes at most."""

import os
import re
import socket
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

import barq
import barq.sync
from tests.dashboard.conftest import See
from tests.dashboard.serving import work_off, working
from tests.support import Server, wait_until

pytestmark = pytest.mark.xdist_group("dashboard-tasks")  # one browser for all of them


class MailboxFull(Exception):
    pass


def send_to(job: barq.Job) -> None:
    if "full" in job.data["to"]:
        raise MailboxFull(f"550 the mailbox of {job.data['to']} is full")


@pytest.fixture
def failed(jobs: barq.sync.Queue, handlers: barq.Queue) -> barq.Queue:
    """Four emails, of which three failed, one of them with another text; and one failed job of another type."""
    for to in ("full@example.org", "ann@example.org", "full@example.net", "bob"):
        jobs.enqueue("email", {"to": to})
    jobs.enqueue("push", {"to": "full"})

    @handlers.handler("email")
    def send(job: barq.Job) -> None:
        if "@" not in job.data["to"]:
            raise ValueError("this is no address")
        send_to(job)

    @handlers.handler("push")
    def push(job: barq.Job) -> None:
        send_to(job)

    work_off(handlers)
    return handlers


@pytest.fixture
def running(jobs: barq.sync.Queue, handlers: barq.Queue) -> Iterator[int]:
    """A job that runs, half done, until the test ends; its id."""
    begun, release = threading.Event(), threading.Event()

    @handlers.handler("video")
    def encode(job: barq.Job) -> None:
        job.progress(1, 2)
        begun.set()
        release.wait(60)

    id = jobs.enqueue("video", title="holiday.mp4").id
    with working(handlers):
        assert begun.wait(30)
        wait_until(lambda: jobs.workers(), "the worker says that it is there")
        yield id
        release.set()


def test_find_a_failed_job_by_its_text(see: See, failed: barq.Queue) -> None:
    person = see()
    person.click("#search")
    person.page.keyboard.type("mailbox full@example.net")
    person.page.keyboard.press("Enter")
    expect(person.page.locator("main tbody tr")).to_have_count(1)
    expect(person.page.locator("main tbody tr")).to_contain_text("550 the mailbox of full@example.net is full")
    assert person.clicks <= 1


def test_read_its_traceback(see: See, failed: barq.Queue) -> None:
    person = see()
    person.click(".error:has-text('no address')")
    expect(person.page.locator(".traceback .frames li").first).to_contain_text("dashboard/test_tasks.py")
    expect(person.page.locator(".traceback .frames li").first).to_contain_text('raise ValueError("this is no address")')
    assert person.clicks <= 1


def test_retry_all_failed_jobs_of_a_type(see: See, failed: barq.Queue, jobs: barq.sync.Queue) -> None:
    person = see()
    person.click("tr:has-text('email') button:has-text('Retry 3')")
    expect(person.page.locator(".toast")).to_contain_text("3 jobs retried")
    assert jobs.counts("email")["waiting"] == 3
    assert jobs.counts("push")["failed"] == 1
    assert person.clicks <= 1


def test_pause_a_type(see: See, failed: barq.Queue, jobs: barq.sync.Queue) -> None:
    person = see()
    person.click("tr:has-text('email') button:has-text('Pause')")
    expect(person.page.locator("tr:has-text('email') .paused")).to_contain_text("paused by local")
    assert person.clicks <= 1
    assert jobs.types()["email"].paused
    person.click(".toast button:has-text('Reason')")  # who wants can say why, and until when
    person.page.get_by_label("Ends by itself").select_option("1 hour")
    person.page.get_by_label("Reason").fill("provider is down")
    person.page.keyboard.press("Enter")
    expect(person.page.locator("tr:has-text('email') .paused")).to_contain_text("provider is down until 59 min")
    person.click("tr:has-text('email') button:has-text('Resume')")
    expect(person.page.locator("tr:has-text('email') .paused")).to_have_count(0)
    assert jobs.types()["email"].paused is None


def test_throughput_of_the_last_hour(see: See, failed: barq.Queue) -> None:
    person = see()
    expect(person.page.locator(".chart h2")).to_have_text("Last hour")
    expect(person.page.locator("#throughput")).to_have_text("1")
    expect(person.page.locator(".chart .legend")).to_contain_text("4 failed")
    assert person.clicks == 0


def test_which_worker_runs_what(see: See, running: int) -> None:
    person = see()
    line = person.page.locator("tr:has-text('holiday.mp4')")
    expect(line).to_contain_text(f"{socket.gethostname()}:{os.getpid()}")
    expect(line).to_contain_text("50%")
    assert person.clicks == 0


def test_cancel_a_running_job(see: See, running: int, jobs: barq.sync.Queue) -> None:
    person = see()
    person.click("tr:has-text('holiday.mp4') button:has-text('Cancel')")
    expect(person.page.locator(".toast")).to_contain_text(f"Job {running} is cancelled")
    assert jobs.get(running).state == "cancelled"
    assert person.clicks <= 1


def test_age_of_the_oldest_job_that_waits(see: See, server: Server, name: str, jobs: barq.sync.Queue) -> None:
    jobs.enqueue("email")
    person = see()
    expect(person.page.locator(".tile", has_text="Oldest waiting").locator("strong")).to_have_text(
        re.compile(r"^\d+ s$")
    )
    expect(person.page.locator("tr:has-text('email') td[data-head='Oldest waiting']")).to_have_text(
        re.compile(r"^\d+ s$")
    )
    assert person.clicks == 0


def test_edit_and_retry(see: See, failed: barq.Queue, jobs: barq.sync.Queue) -> None:
    person = see()
    person.click(".error:has-text('no address')")
    person.click("button:has-text('Edit and retry')")
    person.page.locator("textarea:focus").wait_for()
    person.page.keyboard.press("Control+A")
    person.page.keyboard.type('{"to": "bob@example.org"')
    expect(person.page.locator(".editor .trouble")).to_contain_text("This is not JSON")
    person.page.keyboard.type("}")
    person.page.keyboard.press("Control+Enter")
    expect(person.page.locator("h1 .badge")).to_contain_text("waiting")
    job = jobs.get(4)
    assert (job.state, job.data) == ("waiting", {"to": "bob@example.org"})
    assert person.clicks <= 2


def test_remove_old_jobs(see: See, server: Server, name: str, jobs: barq.sync.Queue) -> None:
    clock = barq.ManualClock(start_ms=barq.clock.Clock().wall_ms() - 3 * 86_400_000)
    before = barq.Queue(name, url=server.url, clock=clock)

    @before.handler("email")
    def send(job: barq.Job) -> None:
        clock.advance(1)

    with barq.sync.Queue(name, url=server.url, clock=clock) as long_ago:
        for _ in range(3):
            long_ago.enqueue("email")
    work_off(before)
    today = barq.Queue(name, url=server.url)
    today.handler("email")(lambda job: None)
    jobs.enqueue("email")
    work_off(today)
    assert jobs.counts("email")["completed"] == 4
    person = see()
    person.click("button:has-text('Remove old')")
    person.click("dialog button:has-text('Remove 3 jobs')")
    expect(person.page.locator(".toast")).to_contain_text("3 jobs removed")
    assert jobs.counts("email")["completed"] == 1
    assert person.clicks <= 2
