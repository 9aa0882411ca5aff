"""What else can be done from the pages: workers, groups of failures, priorities, copies; and that it is written down."""

import threading

import pytest
from playwright.sync_api import expect

import barq
import barq.sync
from tests.dashboard.conftest import See
from tests.dashboard.serving import work_off, working
from tests.support import wait_until

pytestmark = pytest.mark.xdist_group("dashboard-steering")  # one browser for all of them


def test_a_worker_is_drained_goes_on_and_is_stopped(see: See, jobs: barq.sync.Queue, handlers: barq.Queue) -> None:
    begun, release = threading.Event(), threading.Event()

    @handlers.handler("video")
    def encode(job: barq.Job) -> None:
        begun.set()
        release.wait(60)

    id = jobs.enqueue("video").id
    with working(handlers):
        assert begun.wait(30)
        wait_until(lambda: jobs.workers(), "the worker says that it is there")
        page = see("workers").page
        expect(page.locator("main tbody tr")).to_contain_text(f"#{id}")
        page.get_by_role("button", name="Drain").click()
        expect(page.locator("main tbody tr .paused")).to_have_text("drains", timeout=20_000)
        page.get_by_role("button", name="Resume").click()
        expect(page.locator("main tbody tr .paused")).to_have_count(0, timeout=20_000)
        page.get_by_role("button", name="Stop …").click()
        expect(page.locator("dialog")).to_contain_text("finishes what it runs within its grace time")
        page.locator("dialog button.danger").click()
        release.set()
        expect(page.locator("main")).to_contain_text("No worker is alive", timeout=30_000)
    assert jobs.get(id).state == "completed"


@pytest.fixture
def failed(jobs: barq.sync.Queue, handlers: barq.Queue) -> None:
    """Two kinds of failed jobs: three and one."""
    jobs.enqueue_many("email", [1, 2, 3, 4])

    @handlers.handler("email")
    def send(job: barq.Job) -> None:
        if job.data == 4:
            raise OSError("no disk")
        raise ValueError(f"no address {job.data}")

    work_off(handlers)


def test_a_group_of_failures_is_discarded(see: See, jobs: barq.sync.Queue, failed: None) -> None:
    page = see("failures").page
    expect(page.locator("main h2")).to_have_text("2 kinds of failure")
    group = page.locator("main tbody tr", has_text="ValueError")
    expect(group.locator("td[data-head='Jobs']")).to_have_text("3")
    expect(group).to_contain_text("test_steering.py:")
    group.get_by_role("button", name="Discard").click()
    expect(page.locator("dialog")).to_contain_text("3 jobs match. What is removed is gone for good.")
    page.locator("dialog button.danger").click()
    expect(page.locator(".toast")).to_contain_text("3 jobs removed")
    expect(group).to_have_count(0)
    assert jobs.counts()["failed"] == 1


def test_all_that_a_query_finds_are_retried(see: See, jobs: barq.sync.Queue, failed: None) -> None:
    page = see("jobs?q=state%3Afailed%20address").page
    expect(page.locator("main tbody tr")).to_have_count(3)
    expect(page.locator(".chip.failed strong")).to_have_text("3")
    page.get_by_role("button", name="Retry all").click()
    page.get_by_role("button", name="Retry 3 jobs").click()
    expect(page.locator(".toast")).to_contain_text("3 jobs retried")
    expect(page.locator("main")).to_contain_text("No job matches")
    assert jobs.counts()["waiting"] == 3


def test_a_job_is_changed_copied_and_removed(see: See, jobs: barq.sync.Queue) -> None:
    id = jobs.enqueue("email", {"to": "ann"}, title="hello").id
    page = see(f"job/{id}").page
    expect(page.locator(".reasons")).to_contain_text("worker")  # none is alive
    page.get_by_label("Priority").select_option("critical")
    expect(page.locator(".toast")).to_contain_text("is changed")
    assert jobs.get(id).priority == -15
    page.get_by_role("button", name="Edit", exact=True).click()
    page.locator("textarea").fill('{"to": "bob"}')
    page.get_by_role("button", name="Save").click()
    expect(page.locator("pre.data")).to_contain_text("bob")
    assert jobs.get(id).data == {"to": "bob"}
    page.get_by_role("button", name="Clone").click()
    expect(page.locator("h1 .id")).to_have_text(f"#{id + 1}")
    assert jobs.get(id + 1).data == {"to": "bob"}
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("h1")).to_have_text("Jobs")
    expect(page.locator("main tbody tr")).to_have_count(1)


def test_acts_are_written_down(see: See, jobs: barq.sync.Queue) -> None:
    jobs.enqueue("email")
    person = see()
    person.click("tr:has-text('email') button:has-text('Pause')")
    expect(person.page.locator(".toast")).to_be_visible()
    page = see("server").page
    line = page.locator("main tbody tr").first
    expect(line).to_contain_text("local")
    expect(line).to_contain_text("pause")
    expect(line).to_contain_text("email")
    expect(page.locator("main")).to_contain_text("Append-only file")
