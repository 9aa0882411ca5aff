"""`barq top`, used by its keys (Textual's pilot), against a real server; and as a process in a terminal."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

import barq
from barq.cli.common import LenientCodec
from barq.cli.top.app import Top
from barq.cli.top.job import JobPage
from barq.cli.top.jobs import JobsPage
from barq.cli.top.lists import FailuresPage, WorkersPage
from barq.cli.top.overview import Overview
from barq.cli.top.panel import Panel
from barq.cli.top.seen import Eye
from tests.cli.support import BARQ, Cli
from tests.cli.terminal import terminal
from tests.support import Server, until

NARROW, WIDE = (80, 24), (180, 50)


class Sight:
    """`barq top` as a test sees it."""

    def __init__(self, top: Top, pilot: Pilot[None]) -> None:
        self.top = top
        self.pilot = pilot

    @property
    def text(self) -> str:
        """What is on the screen, line by line, without styles."""
        screen = self.top.screen
        width, height = self.top.size
        lines = screen._compositor.render_strips(self.top.size)[:height]
        return "\n".join(strip.text[:width].rstrip() for strip in lines).rstrip()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def shows(self, *parts: str) -> None:
        async def there() -> bool:
            await self.pilot.pause(0.05)
            return all(part in self.text for part in parts)

        try:
            await until(there, f"{parts} on the screen", seconds=40)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text}") from None

    async def focus(self, panel: str) -> None:
        self.top.screen.query_one(f"#{panel}", Panel).focus()
        await self.pilot.pause()


Open = Callable[..., Any]


@pytest.fixture
def opened(server: Server, name: str) -> Open:
    @asynccontextmanager
    async def open_(
        size: tuple[int, int] = NARROW, *, url: str = server.url, read_only: bool = False
    ) -> AsyncIterator[Sight]:
        top = Top(barq.Queue(name, url=url, timeout=1, codec=LenientCodec()), read_only=read_only)
        async with top.run_test(size=size, notifications=True) as pilot:
            yield Sight(top, pilot)

    return open_


@pytest.fixture
async def worked(queue: barq.Queue) -> barq.Queue:
    """Jobs of most states: three failed emails, a completed image, waiting reports, and one that was logged."""

    @queue.handler("email")
    async def email(job: barq.Job[Any]) -> None:
        await job.log("dialling")
        raise ConnectionError("the mailbox is full")

    @queue.handler("image")
    async def image(job: barq.Job[Any]) -> dict[str, int]:
        return {"width": 640}

    await queue.enqueue_many("email", [{"to": f"user{number}"} for number in range(3)])
    await queue.enqueue("image", {"file": "cat.png"}, title="The cat")
    await barq.Worker(queue, burst=True).run(signals=False)
    await queue.enqueue_many("report", range(2))
    await queue.enqueue("report", delay=3600)
    return queue


# ---- the overview


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
async def test_the_overview_tells_the_state_of_the_queue(
    opened: Open, worked: barq.Queue, size: tuple[int, int]
) -> None:
    await worked.pause("report", by="ann", reason="month's end")
    async with opened(size) as sight:
        await sight.shows("2 waiting", "1 delayed", "1 completed", "3 failed", "/s completed", "● ")
        await sight.shows("email", "image", "report", "by ann")
        await sight.shows("ConnectionError", "no worker is alive", "no workers")
        assert all(len(line) <= size[0] for line in sight.text.splitlines())
        if size == WIDE:
            await sight.shows("the mailbox is full", "test_top.py")


async def test_what_runs_is_shown_with_its_progress(opened: Open, queue: barq.Queue) -> None:
    go_on = asyncio.Event()

    @queue.handler("film")
    async def film(job: barq.Job[Any]) -> None:
        await job.progress(40)
        await go_on.wait()

    job = await queue.enqueue("film", title="Metropolis")
    worker = barq.Worker(queue, concurrency=7)
    async with opened() as sight, asyncio.TaskGroup() as group:
        group.create_task(worker.run(signals=False))
        await sight.shows(f"{job.id}  film", " 40%", "Running 1 of 7 slots", "Metropolis", "working", "1/7")
        go_on.set()
        await sight.shows("1 completed", "nothing runs")
        worker.stop()


async def test_an_empty_queue_says_so(opened: Open) -> None:
    async with opened() as sight:
        await sight.shows("no jobs yet", "no workers")
        await sight.press("j", "k", "enter", "r", "p", "c")  # nothing to act on is no trouble
        await sight.shows("no jobs yet")


async def test_one_look_is_a_handful_of_calls(worked: barq.Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    eye, sent = Eye(worked), []
    await eye.look()
    store = worked._here().store
    send = store.send

    async def counted(call: Any, **options: Any) -> Any:
        sent.append(call)
        return await send(call, **options)

    monkeypatch.setattr(store, "send", counted)
    await eye.look()
    assert 1 <= len(sent) <= 6


# ---- drilling down


async def test_enter_leads_from_a_type_to_its_jobs_to_a_job(opened: Open, worked: barq.Queue) -> None:
    async with opened() as sight:
        await sight.shows("email", "image")
        await sight.press("enter")
        await sight.shows("Jobs  type:email", "all 3", "failed 3", "ConnectionError: the mailbox is full")
        await sight.press("enter")
        await sight.shows(
            "email   failed", "Time line", "attempt 1 failed", 'raise ConnectionError("the mailbox is full")'
        )
        for _ in range(40):
            await sight.press("j")
        await sight.shows('{"to":"user', "dialling")
        await sight.press("q")
        await sight.shows("Jobs  type:email")
        await sight.press("escape")
        await sight.shows("Types 3")


async def test_a_completed_job_shows_its_result(opened: Open, worked: barq.Queue) -> None:
    async with opened() as sight:
        await sight.shows("image")
        await sight.press("j", "enter")
        await sight.shows("Jobs  type:image", "The cat")
        await sight.press("enter")
        await sight.shows("The cat", '{"file":"cat.png"}', '{"width":640}', "completed")


async def test_arrows_choose_a_state(opened: Open, worked: barq.Queue) -> None:
    async with opened() as sight:
        await sight.press("g", "j")
        await sight.shows("all jobs", "waiting 2", "delayed 1", "failed 3", "\n▌all jobs")
        lines = sight.text.splitlines()  # the first and the last line are not broken
        assert (lines[2][:9], lines[-1][:7], len(lines)) == ("▌all jobs", " ? help", 24)
        await sight.press("right")
        await sight.shows("waiting jobs", "report")
        await sight.press("right")
        await sight.shows("delayed jobs", "  in ")
        await sight.press("left", "left", "left")
        await sight.shows("blocked jobs", "no jobs")


async def test_pages_of_a_long_list(opened: Open, queue: barq.Queue) -> None:
    ids = [job.id for job in await queue.enqueue_many("email", range(150))]
    async with opened() as sight:
        await sight.press("g", "j")
        await sight.shows("page 1, n is the next", f"{ids[-1]}  email")
        await sight.press("n")
        await sight.shows("page 2", f"{ids[49]}  email")
        await sight.press("b")
        await sight.shows("page 1", f"{ids[-1]}  email")


async def test_slash_searches(opened: Open, worked: barq.Queue) -> None:
    (job,) = await worked.jobs("completed", "image")
    async with opened() as sight:
        await sight.press("slash", *"mailbox", "enter")
        await sight.shows("Jobs  mailbox", "ConnectionError: the mailbox is full")
        await sight.press("slash", *" type:image", "enter")
        await sight.shows("mailbox type:image", "no jobs")
        await sight.press("slash", "escape", "q", "q", "slash", *str(job.id), "enter")
        await sight.shows(f"Job {job.id}", "The cat")
        await sight.press("slash", *"age>", "enter")
        await sight.shows("age")
        assert sight.top.is_running


async def test_the_failures_lead_to_their_jobs(opened: Open, worked: barq.Queue) -> None:
    async with opened(WIDE) as sight:
        await sight.press("g", "f")
        await sight.shows("3 failed jobs", "ConnectionError", "the mailbox is full")
        await sight.press("enter")
        await sight.shows("failed jobs  type:email error:ConnectionError")


async def test_a_job_that_waits_says_why(opened: Open, worked: barq.Queue) -> None:
    (job, _) = await worked.jobs("waiting", "report")
    async with opened() as sight:
        await sight.press("slash", *str(job.id), "enter")
        await sight.shows("no worker runs type report")


# ---- acts


def test_what_a_page_s_keys_do_fits_a_narrow_terminal() -> None:
    pages = [Overview, JobsPage, JobPage, FailuresPage, WorkersPage]
    assert [page.__name__ for page in pages if not 0 < len(page.KEYS) <= NARROW[0]] == []


async def test_r_retries_a_types_failed_jobs_after_a_question(opened: Open, worked: barq.Queue) -> None:
    async with opened() as sight:
        await sight.shows("ConnectionError")
        await sight.press("r")
        await sight.shows("Retry 3 failed jobs of type email?")
        await sight.press("n")
        assert (await worked.counts())["failed"] == 3
        await sight.press("r")
        await sight.shows("Retry 3 failed jobs of type email?")
        await sight.press("y")
        await sight.shows("5 waiting")
        assert (await worked.counts("email"))["waiting"] == 3
        (act, *_) = (await worked.audit()).acts
        assert "@" in act.by


async def test_r_on_a_group_of_failures_retries_that_group(opened: Open, worked: barq.Queue) -> None:
    async with opened() as sight:
        await sight.shows("ConnectionError")
        await sight.focus("failures")
        await sight.press("r")
        await sight.shows("Retry 3 failed jobs of type email with ConnectionError?")
        await sight.press("enter")
        await sight.shows("5 waiting")


async def test_r_and_c_act_on_one_job_at_once(opened: Open, worked: barq.Queue) -> None:
    (job, *_) = await worked.jobs("failed", "email")

    async def state() -> str:
        return str((await worked.get(job.id)).state)

    async with opened() as sight:
        await sight.press("slash", *str(job.id), "enter")
        await sight.shows("email   failed")
        await sight.press("r")
        await sight.shows("email   waiting")
        await sight.press("c")
        await sight.shows("email   cancelled")
        assert await state() == "cancelled"
        await sight.press("c")
        await sight.shows("is cancelled: only")  # what can't be done is said


async def test_p_pauses_and_resumes_a_type(opened: Open, worked: barq.Queue) -> None:
    async def paused() -> bool:
        return (await worked.types())["email"].paused is not None

    async with opened() as sight:
        await sight.shows("email")
        await sight.press("p")
        await until(paused, "it is paused")
        await sight.shows("PAUSED", "type email is paused")
        await sight.press("p")
        await until(lambda: _not(paused), "it goes on")


async def test_shift_p_pauses_the_queue_after_a_question(opened: Open, worked: barq.Queue) -> None:
    async with opened() as sight:
        await sight.shows("email")
        await sight.press("P")
        await sight.shows("Pause all of queue")
        await sight.press("y")
        await sight.shows("QUEUE PAUSED")
        await sight.press("P")
        await until(lambda: _not(worked.paused), "it goes on")


async def test_all_of_a_list_is_cancelled_after_a_question(opened: Open, worked: barq.Queue) -> None:
    async with opened() as sight:
        await sight.press("g", "j", "right")
        await sight.shows("waiting jobs")
        await sight.press("C")
        await sight.shows("Cancel 2 jobs of this list?")
        await sight.press("y")
        await sight.shows("no jobs", "waiting 0", "cancelled 2")


async def test_a_worker_is_drained_and_stopped(opened: Open, queue: barq.Queue) -> None:
    @queue.handler("email")
    async def email(job: barq.Job[Any]) -> None: ...

    worker = barq.Worker(queue, lease=2)
    async with opened() as sight, asyncio.TaskGroup() as group:
        group.create_task(worker.run(signals=False))
        await until(queue.workers, "it is alive")
        await sight.press("g", "w")
        await sight.shows("working", "It runs 0")
        await sight.press("d")
        await sight.shows("draining")
        await sight.press("d")
        await sight.shows("working")
        await sight.press("s")
        await sight.shows("Stop worker")
        await sight.press("y")
        await sight.shows("no worker is alive")


async def test_read_only_changes_nothing(opened: Open, worked: barq.Queue) -> None:
    async with opened(read_only=True) as sight:
        await sight.shows("read-only", "email")
        await sight.press("p", "r", "P")
        await sight.shows("read-only: nothing is changed")
        assert (await worked.types())["email"].paused is None


# ---- help, the server, the end


async def test_question_mark_tells_the_keys_also_on_a_small_screen(opened: Open) -> None:
    async with opened() as sight:
        await sight.press("question_mark")
        await sight.shows("Keys", "pause or resume the type of the row", "these words")
        await sight.press("escape")
        await sight.shows("Types")


async def test_a_server_that_is_gone_is_told_and_when_it_is_back_it_goes_on(
    opened: Open, own_server: Server, name: str
) -> None:
    async with barq.Queue(name, url=own_server.url) as queue:
        await queue.enqueue("email")
        async with opened(url=own_server.url) as sight:
            await sight.shows("1 waiting", "● ")
            own_server.kill()
            await sight.shows("✗ the server is gone since", "1 waiting")
            await sight.press("j", "p")
            assert sight.top.is_running
            own_server.start()
            await queue.enqueue("email")
            await sight.shows("2 waiting", "● ")


async def test_without_a_server_it_waits_for_one(opened: Open, own_server: Server) -> None:
    own_server.stop()
    async with opened(url=own_server.url) as sight:
        await sight.shows("✗ the server is gone")
        own_server.start()
        await sight.shows("no jobs yet", "● ")


async def test_text_of_jobs_reaches_the_terminal_as_text(opened: Open, queue: barq.Queue) -> None:
    @queue.handler("paint")
    async def paint(job: barq.Job[Any]) -> None:
        raise ValueError("[red]\x1b]0;owned\x07")

    job = await queue.enqueue("paint", "\x9b", title="[bold]")
    await barq.Worker(queue, burst=True).run(signals=False)
    async with opened() as sight:
        await sight.shows("[red]\ufffd]0;owned")
        await sight.press("slash", *str(job.id), "enter")
        await sight.shows("[bold]", "ValueError: [red]\ufffd]0;owned")
        assert not {"\x1b", "\x07", "\x9b"} & set(sight.text)


async def test_the_overview_alone_ends_it(opened: Open) -> None:
    async with opened() as sight:
        await sight.press("escape")
        assert isinstance(sight.top.page, Overview)
        await sight.press("q")
        assert not sight.top.is_running


def test_the_command_in_a_terminal(cli: Cli, tmp_path: Path) -> None:
    assert cli("enqueue", "email").code == 0
    env = {**cli.env, "TERM": "xterm-256color"}
    with terminal([*BARQ, "top"], tmp_path, columns=80, rows=24, **env) as shown:
        shown.holds("1 waiting")
        shown.holds("? help")
        shown.type("q")
        assert shown.end() == 0


def test_without_textual_one_line_says_what_to_install(tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['textual'] = None; from barq.cli import main; main(['top'])"
    done = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "barq: barq top needs Textual: pip install 'barq[tui]'\n"


async def _not(true: Callable[[], Awaitable[object]]) -> bool:
    return not await true()


def test_nothing_of_it_is_imported_by_the_others() -> None:
    code = "import sys, barq.cli.jobs, barq.cli.queue; print('textual' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "False\n"
