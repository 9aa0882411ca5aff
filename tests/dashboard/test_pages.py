"""The pages beyond the commonest tasks: what comes by itself, keys, addresses, hostile data, read-only, empty and full."""

import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

import barq
import barq.http
import barq.sync
from tests.cli.support import BARQ, Cli, environment
from tests.dashboard.conftest import See
from tests.dashboard.serving import Dashboard, Person, work_off, working
from tests.support import Server, wait_until

pytestmark = pytest.mark.xdist_group("dashboard-pages")  # one browser for all of them

# ---- live


def test_what_happens_appears_by_itself(see: See, jobs: barq.sync.Queue) -> None:
    page = see().page
    expect(page.locator("main")).to_contain_text("Nothing here yet")
    jobs.enqueue("email")
    expect(page.locator("tr:has-text('email') td[data-head='Waiting']")).to_have_text("1")
    jobs.pause("email", by="ann", reason="provider is down")
    expect(page.locator("tr:has-text('email') .paused")).to_have_text("‖paused by ann: provider is down")
    jobs.pause(by="bob", reason="moving")
    expect(page.locator(".banner")).to_contain_text("The queue is paused: ‖paused by bob: moving")
    page.get_by_role("button", name="Resume").first.click()
    expect(page.locator(".banner")).to_have_count(0)
    assert jobs.paused() is None


def test_a_job_is_followed_as_it_runs(see: See, jobs: barq.sync.Queue, handlers: barq.Queue) -> None:
    steps = [threading.Event() for _ in range(3)]

    @handlers.handler("video")
    def encode(job: barq.Job) -> dict[str, int]:
        for at, step in enumerate(steps):
            assert step.wait(60)
            job.progress(at + 1, 3, {"frame": at})
            job.log(f"step {at} is done")
        return {"frames": 3}

    id = jobs.enqueue("video", {"file": "a.mp4"}).id
    page = see(f"job/{id}").page
    expect(page.locator("h1 .badge")).to_have_text("○waiting")
    with working(handlers):
        expect(page.locator("h1 .badge")).to_have_text("▶active")
        for at, step in enumerate(steps[:2]):
            step.set()
            expect(page.locator(".running")).to_contain_text(f"{(at + 1) * 100 // 3}%")
            expect(page.locator(".log li").nth(at)).to_contain_text(f"step {at} is done")
        steps[2].set()
        expect(page.locator("h1 .badge")).to_have_text("✓completed")
        expect(page.locator("main")).to_contain_text('"frames": 3')
        expect(page.locator(".timeline li")).to_have_count(3)


def test_a_job_tells_why_it_does_not_run(see: See, jobs: barq.sync.Queue) -> None:
    jobs.pause("email", reason="provider is down", by="ann")
    jobs.enqueue("email")
    behind = jobs.enqueue("email")
    page = see(f"job/{behind.id}").page
    why = page.locator(".card.reasons")
    expect(why).to_contain_text("paused by ann")
    expect(why).to_contain_text("provider is down")
    expect(why).to_contain_text("no worker runs type email")
    expect(why).to_contain_text("1 job of its type runs before it")


def test_where_streams_do_not_get_through_it_asks(
    browser: Browser, dashboard: Dashboard, jobs: barq.sync.Queue
) -> None:
    person = Person(browser, dashboard.url)
    person.page.route("**/overview/stream", lambda route: route.abort())
    person.page.goto(dashboard.url)
    expect(person.page.locator("#live")).to_have_text("live, by asking")
    jobs.enqueue("email")
    expect(person.page.locator("tr:has-text('email')")).to_be_visible()
    person.context.close()


def test_it_says_when_nothing_answers_and_goes_on(browser: Browser, own_server: Server, name: str) -> None:
    with Dashboard(own_server, name) as dashboard:
        person = Person(browser, dashboard.url)
        page = person.opens()
        own_server.kill()
        expect(page.locator("#live")).to_have_text("no answer, trying again")
        expect(page.locator(".banner.bad")).to_contain_text("No news")
        own_server.start()
        expect(page.locator("#live")).to_have_text("live", timeout=40_000)
        expect(page.locator(".banner")).to_have_count(0)
        person.context.close()


def test_a_page_that_nobody_sees_gives_its_stream_back(see: See, dashboard: Dashboard) -> None:
    page = see().page
    assert dashboard.lookout.viewers == 1
    hide = "Object.defineProperty(document, 'hidden', { value: %s, configurable: true }); "
    page.evaluate(hide % "true" + "document.dispatchEvent(new Event('visibilitychange'))")
    wait_until(lambda: dashboard.lookout.viewers == 0, "the stream ends")
    page.evaluate(hide % "false" + "document.dispatchEvent(new Event('visibilitychange'))")
    wait_until(lambda: dashboard.lookout.viewers == 1, "it is back")


# ---- addresses


def test_reload_and_back_find_the_same_page(see: See, jobs: barq.sync.Queue) -> None:
    jobs.enqueue("email", title="hello there")
    jobs.enqueue("push")
    page = see().page
    page.locator("tr:has-text('email') a.name").click()
    expect(page.locator("main tbody tr")).to_have_count(1)
    expect(page.locator("#search")).to_have_value("type:email")
    page.reload()
    expect(page.locator("main tbody tr")).to_have_count(1)
    page.locator("main .id").first.click()
    expect(page.locator("h1")).to_contain_text("hello there")
    page.reload()
    expect(page.locator("h1")).to_contain_text("hello there")
    page.go_back()
    expect(page.locator("#search")).to_have_value("type:email")
    expect(page.locator("main tbody tr")).to_have_count(1)
    page.go_back()
    expect(page.locator("h1")).to_have_text("Overview")
    page.evaluate("location.hash = '#/nowhere'")
    expect(page.locator("h1")).to_have_text("There is no such page")


def test_a_job_that_is_gone_is_told(browser: Browser, dashboard: Dashboard) -> None:
    person = Person(browser, dashboard.url)
    page = person.opens("job/999")
    expect(page.locator("main")).to_contain_text("There is no such job (any more)")
    page.evaluate("location.hash = '#/job/x'")
    expect(page.locator("main .trouble")).to_be_visible()
    person.context.close()


# ---- keys


def test_it_is_steered_by_keys(see: See, jobs: barq.sync.Queue) -> None:
    jobs.enqueue("email", title="first")
    jobs.enqueue("push")
    page = see().page
    page.locator("tr:has-text('push')").wait_for()
    press = page.keyboard.press
    press("/")
    expect(page.locator("#search")).to_be_focused()
    press("Escape")
    press("j")
    expect(page.locator("tr:has-text('email')").first).to_be_focused()
    press("j")
    press("k")
    press("p")
    expect(page.locator("tr:has-text('email') .paused")).to_be_visible()
    expect(page.locator("tr:has-text('email')").first).to_be_focused()  # also when it is drawn anew
    press("p")
    expect(page.locator("tr:has-text('email') .paused")).to_have_count(0)
    press("Enter")
    expect(page.locator("#search")).to_have_value("type:email")
    page.locator("main tbody tr").wait_for()
    press("j")
    press("c")
    expect(page.locator(".badge.cancelled")).to_be_visible()
    press("j")
    press("Enter")
    expect(page.locator("h1")).to_contain_text("first")
    press("r")
    expect(page.locator("h1 .badge")).to_have_text("○waiting")
    press("?")
    expect(page.locator("dialog")).to_contain_text("next and previous row")
    press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    press("g")
    press("w")
    expect(page.locator("h1")).to_have_text("Workers")


def test_the_search_box_suggests(see: See, jobs: barq.sync.Queue) -> None:
    jobs.enqueue("email.welcome")
    jobs.enqueue("email.bill")
    page = see().page
    page.locator("tr:has-text('email.bill')").wait_for()
    page.locator("#search").click()
    expect(page.locator("#suggestions li").first).to_have_text("state:failedall failed jobs")
    page.keyboard.type("typ")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    expect(page.locator("#search")).to_have_value("type:")
    expect(page.locator("#suggestions li")).to_have_text(["type:email.bill", "type:email.welcome"])
    page.keyboard.type("wel")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("h2 .query")).to_have_text("type:email.welcome")
    expect(page.locator("main tbody tr")).to_have_count(1)


# ---- who may not act


def test_read_only_shows_no_acts(browser: Browser, server: Server, name: str, jobs: barq.sync.Queue) -> None:
    jobs.enqueue("email")
    with Dashboard(server, name, read_only=True) as dashboard:
        person = Person(browser, dashboard.url)
        page = person.opens()
        expect(page.locator(".banner")).to_contain_text("Read-only")
        page.locator("tr:has-text('email')").wait_for()
        assert page.locator("main button").all_inner_texts() == ["Copy"]  # of what starts a worker
        page.evaluate("location.hash = '#/job/1'")
        page.locator(".timeline").wait_for()
        texts = set(page.locator("main button").all_inner_texts())
        assert texts == {"Copy", "As Python", "As curl", "Data", "Link"}
        person.context.close()
        assert person.complaints == []


def test_a_token_is_a_password_to_a_browser(browser: Browser, server: Server, name: str, jobs: barq.sync.Queue) -> None:
    jobs.enqueue("email")
    with Dashboard(server, name, token="correct-horse-battery") as dashboard:
        credentials: Any = {"username": "ann", "password": "correct-horse-battery"}
        person = Person(browser, dashboard.url, http_credentials=credentials)
        page = person.opens()
        page.locator("tr:has-text('email') button:has-text('Pause')").click()
        expect(page.locator("tr:has-text('email') .paused")).to_contain_text("by ann")
        person.context.close()


# ---- hostile data

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "\"'><script>alert(2)</script>",
    "javascript:alert(3)",
    "<svg/onload=alert(4)>",
    "{{constructor.constructor('alert(5)')()}}",
    "__proto__",
    "\u202eabc\u0000\ud7ff",
]


def test_nothing_of_a_job_becomes_markup_or_code(see: See, jobs: barq.sync.Queue, handlers: barq.Queue) -> None:
    for at, text in enumerate(HOSTILE):
        type_ = text.replace("\0", "") or "x"
        jobs.enqueue(type_, {text: [text], "__proto__": {"polluted": text}}, title=type_)

        @handlers.handler(type_)
        def fail(job: barq.Job, text: str = text, even: bool = at % 2 == 0) -> dict[str, str]:
            job.progress(1, 2, {text: text})
            job.log(text)
            if even:
                raise type(re.sub(r"\W", "", text) or "E", (Exception,), {})(text)
            return {text: text}

    work_off(handlers)
    for text in HOSTILE[:2]:
        jobs.pause(text, by=text, reason=text)
    person = see()
    page = person.page
    page.on("dialog", lambda dialog: person.complaints.append(f"a dialog: {dialog.message}"))
    first = page.locator("main").inner_html()
    assert first
    places = ["", "jobs", "failures", "workers", "server", *(f"job/{id}" for id in range(1, len(HOSTILE) + 1))]
    places += ["jobs?q=" + "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", "failures?type=%3Cscript%3E", "%3Cb%3E"]
    for place in places:
        page.evaluate("where => { location.hash = where }", f"#/{place}")
        page.locator("main h1").wait_for()
        page.wait_for_timeout(150)  # whatever would run has run
        assert page.locator("main img, main script, main iframe, main object, header img").count() == 0
        assert page.evaluate("[...document.querySelectorAll('a')].every((a) => !/^(javascript|data):/i.test(a.href))")
        assert page.evaluate("({}).polluted === undefined")
    page.evaluate("location.hash = '#/job/1'")
    expect(page.locator("h1")).to_contain_text(HOSTILE[0])
    expect(page.locator(".log")).to_contain_text(HOSTILE[0])
    person.complaints[:] = [words for words in person.complaints if "status of 4" not in words]  # queries that are none


# ---- empty and full


def test_an_empty_queue_tells_what_to_do_and_that_works(
    browser: Browser, server: Server, name: str, jobs: barq.sync.Queue, tmp_path: Path
) -> None:
    with Dashboard(server, name) as dashboard:
        person = Person(browser, dashboard.url)
        enqueue, program, worker = person.opens().locator(".code pre").all_inner_texts()
        (tmp_path / "app.py").write_text(program)
        for line in (enqueue, f"{worker} --burst"):
            words = line.replace("barq", " ".join(BARQ), 1)
            done = subprocess.run(
                ["sh", "-c", words],
                cwd=tmp_path,
                env=environment(BARQ_URL=server.url),
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        assert jobs.get(1).state == "completed"
        assert jobs.get(1).returned == "hello Ann"
        for place, words in (("failures", "No failed jobs"), ("workers", "barq worker app:queue"), ("jobs", "hello")):
            expect(person.opens(place).locator("main")).to_contain_text(words)
        person.context.close()
        assert person.complaints == []


def test_ten_thousand_jobs_are_shown_in_pages(see: See, jobs: barq.sync.Queue) -> None:
    jobs.enqueue_many("email", [{"number": number} for number in range(10_000)])
    page = see().page
    expect(page.locator("tr:has-text('email') td[data-head='Waiting']")).to_have_text("10,000")
    page.locator(".tile", has_text="Waiting").first.click()
    expect(page.locator("main tbody tr")).to_have_count(50)
    expect(page.locator(".chip.waiting strong")).to_have_text("10,000")
    first = page.locator("main tbody tr .id").first.inner_text()
    page.get_by_text("Next page").click()
    expect(page.locator("main tbody tr .id").first).not_to_have_text(first)
    expect(page.locator("main tbody tr")).to_have_count(50)
    page.go_back()
    expect(page.locator("main tbody tr .id").first).to_have_text(first)


# ---- a job as code


@pytest.fixture
def copied(browser: Browser, dashboard: Dashboard) -> Iterator[Person]:
    person = Person(browser, dashboard.url, permissions=["clipboard-read", "clipboard-write"])
    yield person
    person.context.close()
    assert person.complaints == []


def test_a_job_is_copied_as_python_and_as_curl(
    copied: Person, jobs: barq.sync.Queue, server: Server, tmp_path: Path
) -> None:
    data = {"text": 'it\'s "quoted" \\ and\nnew é 😀', "none": None, "yes": [True, False], "big": 2**53, "f": 1.5}
    backoff = barq.exponential(2.0, factor=3.0, jitter=0.0)
    jobs.enqueue("email", data, priority="high", attempts=3, title="it's mine", timeout=5, backoff=backoff)
    page = copied.opens("job/1")
    texts = []
    for words in ("As Python", "As curl"):
        page.get_by_role("button", name=words).click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        texts.append(page.evaluate("navigator.clipboard.readText()"))
        expect(page.get_by_role("button", name="Copied")).to_have_count(0)
    python, curl = texts
    (tmp_path / "again.py").write_text(python)
    for command in (["sh", "-c", f"{BARQ[0]} again.py"], ["sh", "-c", f"{curl} -s --fail"]):
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment(BARQ_URL=server.url),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr)
    first = jobs.get(1)
    for again in (jobs.get(2), jobs.get(3)):
        assert (again.type, again.data, again.priority) == (first.type, first.data, first.priority)
        assert again.options == first.options


# ---- within a second


def test_the_first_page_is_there_soon(cli: Cli, browser: Browser) -> None:
    """The processor's time until it listens: less than a second of it, on whatever else the machine is busy with."""
    import psutil

    with cli.started("dashboard", "--port", "0", "--json") as running:
        running.prints("\n")
        url = re.search(r"http://[\d.:]+", running.out.decode())
        assert url
        assert httpx.get(url[0], headers={"accept": "text/html"}, timeout=20).status_code == 200
        times = psutil.Process(running.process.pid).cpu_times()
        assert times.user + times.system < 1.0


@pytest.fixture
def cli(server: Server, name: str, tmp_path: Path) -> Cli:
    return Cli(tmp_path, BARQ_URL=server.url, BARQ_QUEUE=name)
