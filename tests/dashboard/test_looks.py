"""How the pages look: light and dark, narrow and wide, empty and full; that words stand out and nothing overflows."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

import barq
import barq.sync
from tests.dashboard.conftest import See
from tests.dashboard.serving import Dashboard, Person, work_off
from tests.support import Server
from tests.web import CONTRASTS

pytestmark = pytest.mark.xdist_group("dashboard-looks")  # one browser for all of them

WIDTHS = [1400, 400, 960, 320]
PLACES = ["", "jobs", "jobs?q=state:failed", "failures", "job/1", "workers", "server"]


@pytest.fixture(scope="module")
def full(server: Server) -> Iterator[Dashboard]:
    """A queue with something on every page."""
    name = "dashboard-looks"
    with barq.sync.Queue(name, url=server.url) as jobs:
        long = "a" * 300
        jobs.enqueue("email", {"to": "ann@example.org", "text": long}, title="hello " + long, attempts=2)
        jobs.enqueue("email", {"to": "bob@example.org"})
        handlers = barq.Queue(name, url=server.url)

        @handlers.handler("email", backoff=barq.fixed(0))
        async def send(job: barq.Job) -> None:
            job.log("a line of " + long)
            raise ConnectionRefusedError("no way to " + long)

        work_off(handlers)
        jobs.enqueue("type." + long[:200], {"x": 1}, delay=3600)
        jobs.enqueue("push", None)
        jobs.pause("push", by="ann", reason="the provider is down " + long[:180])
        with Dashboard(server, name) as made:
            yield made


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_and_words_stand_out(full: Dashboard, browser: Browser, scheme: str) -> None:
    """At least 4.5 to 1, as WCAG 2.2 asks for."""
    person = Person(browser, full.url, color_scheme=scheme)
    for place in PLACES:
        page = person.opens(place)
        shows_all(page)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (place, width)
            assert page.evaluate(WIDER_THAN_THE_PAGE) == [], (place, width)
        for width in WIDTHS[:2]:
            page.set_viewport_size({"width": width, "height": 900})
            faint = {words: contrast for words, contrast in page.evaluate(CONTRASTS) if contrast < 4.5}
            assert faint == {}, (place, width)
        brightness = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).map(Number)")
        assert (sum(brightness[:3]) / 3 > 128) == (scheme == "light"), brightness
    person.context.close()
    assert person.complaints == []


def shows_all(page: Page) -> None:
    """Wait until nothing is on its way any more."""
    page.locator("main h1").wait_for()
    expect(page.locator("main")).not_to_contain_text("Reading")
    expect(page.locator("main")).not_to_contain_text("Searching")


WIDER_THAN_THE_PAGE = """() => [...document.querySelectorAll("main *, header *")]
  .filter((node) => !node.closest("pre, svg, .hidden, thead") && !node.matches(".clip *"))
  .filter((node) => node.getBoundingClientRect().right > innerWidth + 1 && getComputedStyle(node).position !== "absolute")
  .map((node) => `${node.tagName}.${node.className} ${node.textContent.slice(0, 40)}`)
"""


def test_the_theme_is_chosen_and_kept(see: See) -> None:
    person = see()
    page = person.page
    for chosen in ("light", "dark"):
        page.get_by_role("button", name="Theme").click()
        expect(page.locator("html")).to_have_attribute("data-theme", chosen)
        page.reload()
        expect(page.locator("html")).to_have_attribute("data-theme", chosen)
        scheme = page.evaluate("getComputedStyle(document.documentElement).colorScheme")
        assert scheme == chosen
    page.get_by_role("button", name="Theme").click()
    expect(page.locator("html")).not_to_have_attribute("data-theme", "dark")


def test_motion_is_left_out_for_who_wants_none(see: See, jobs: barq.sync.Queue) -> None:
    jobs.enqueue("email")
    page = see(reduced_motion="reduce").page
    page.locator("button").first.wait_for()
    moving = page.evaluate(
        "[...document.querySelectorAll('*')].filter((node) => "
        "parseFloat(getComputedStyle(node).transitionDuration) > 0 || getComputedStyle(node).animationName !== 'none').length"
    )
    assert moving == 0
