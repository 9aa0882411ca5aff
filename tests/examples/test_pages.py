"""The pages of tasks 9 and 10 in headless Chromium: people reserve by clicking, and see what others reserve."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.examples.service import Service
from tests.support import Server
from tests.web import CONTRASTS, chromium

pytestmark = pytest.mark.xdist_group("example-pages")  # one browser for all of them

SERVICES = ["9-stock.py", "100-seat.py"]

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def complaints() -> list[str]:
    """What pages say in the console, raise, or ask of anybody but their own service."""
    return []


@pytest.fixture
def open_page(browser: Browser, complaints: list[str]) -> Iterator[Open]:
    contexts = []

    def open_page(service: Service, *, scheme: str = "light", width: int = 1400, height: int = 900) -> Page:
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})  # type: ignore[arg-type]
        context.set_default_timeout(15_000)
        expect.set_options(timeout=15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: note_foreign(request.url))
        page.goto(service.url)
        return page

    def note_foreign(url: str) -> None:
        if urlsplit(url).hostname not in ("127.0.0.1", None):
            complaints.append(url)

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def stock(own_server: Server) -> Iterator[Service]:
    with Service("9-stock.py", own_server.port) as service:
        yield service.listens().is_ready("/list_products/1")


@pytest.fixture
def seats(own_server: Server) -> Iterator[Service]:
    with Service("100-seat.py", own_server.port) as service:
        yield service.listens().is_ready("/available_seats")


@pytest.fixture(scope="module", params=SERVICES)
def shown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One for the tests that only look."""
    server = Server(tmp_path_factory.mktemp("redis")).start()
    with Service(request.param, server.port) as service:
        yield service.listens()
    server.stop()


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> Service:
    name = "stock" if request.param == "9-stock.py" else "seats"
    made: Service = request.getfixturevalue(name)
    return made


def left_of_stock(page: Page, item_id: int) -> str:
    return page.locator(f"#products li:nth-child({item_id}) .left-words").inner_text()


def test_a_suitcase_is_reserved_by_clicking_and_others_see_it(
    stock: Service, open_page: Open, complaints: list[str]
) -> None:
    mine, other = open_page(stock), open_page(stock, scheme="dark", width=400)
    for page in (mine, other):
        expect(page.locator("#products li")).to_have_count(4)
    third = "#products li:nth-child(3)"
    expect(other.locator(f"{third} .left-words")).to_have_text("2 of 2 left")
    mine.locator(f"{third} button").click()
    expect(mine.locator(f"{third} .said")).to_have_text("Reservation confirmed")
    expect(mine.locator(f"{third} .left-words")).to_have_text("1 of 2 left")
    expect(other.locator(f"{third} .left-words")).to_have_text("1 of 2 left")
    other.locator(f"{third} button").click()
    expect(mine.locator(f"{third} button")).to_have_text("Sold out")
    expect(mine.locator(f"{third} button")).to_be_disabled()
    assert left_of_stock(mine, 3) == "None left"
    assert left_of_stock(mine, 4) == "5 of 5 left"
    assert complaints == []


def test_a_seat_is_reserved_by_clicking_and_others_see_it(
    seats: Service, open_page: Open, complaints: list[str]
) -> None:
    mine, other = open_page(seats), open_page(seats, scheme="dark", width=400)
    expect(other.locator("#left")).to_have_text("50")
    mine.locator("#reserve").click()
    expect(mine.locator("#said")).to_contain_text("Reservation in process")
    mine.locator("#process").click()
    expect(mine.locator("#said")).to_contain_text("Queue processing")
    for page in (mine, other):
        expect(page.locator("#left")).to_have_text("49")
        expect(page.locator("#seats li.taken")).to_have_count(1)
    for _ in range(49):
        seats.get("/reserve_seat")
    for page in (mine, other):
        expect(page.locator("#left")).to_have_text("0")
        expect(page.locator("#reserve")).to_have_text("Sold out")
        expect(page.locator("#reserve")).to_be_disabled()
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 400, 800, 1400])
def test_nothing_overflows(shown: Service, open_page: Open, width: int, scheme: str, complaints: list[str]) -> None:
    page = open_page(shown, scheme=scheme, width=width)
    expect(page.locator("#state")).to_have_text("live")
    expect(page.locator("#products li, #seats li").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for box in (button.bounding_box() for button in page.locator("button").all()):
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["height"] >= 40  # a thumb finds it
    brightness = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(brightness) / 3 > 128) == (scheme == "light")
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(shown: Service, open_page: Open, scheme: str) -> None:
    """At least 4.5 to 1, as WCAG 2.2 asks for; what is disabled or taken is exempt."""
    page = open_page(shown, scheme=scheme)
    expect(page.locator("#state")).to_have_text("live")
    expect(page.locator("button").first).to_be_enabled()
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 5
    assert {words: contrast for words, contrast in contrasts if contrast < 4.5} == {}


def test_the_page_waits_for_redis_and_a_click_is_not_lost(stock: Service, open_page: Open, own_server: Server) -> None:
    page = open_page(stock)
    expect(page.locator("#state")).to_have_text("live")
    own_server.kill()
    expect(page.locator("#state")).to_have_text("no answer, trying again")
    page.locator("#products li:nth-child(1) button").click()
    expect(page.locator("#products li:nth-child(1) button")).to_be_disabled()
    own_server.start()
    expect(page.locator("#products li:nth-child(1) .said")).to_have_text("Reservation confirmed")
    expect(page.locator("#state")).to_have_text("live")
    expect(page.locator("#products li:nth-child(1) .left-words")).to_have_text("3 of 4 left")


def test_ctrl_c_ends_the_service_while_people_look(service: Service, open_page: Open) -> None:
    pages = [open_page(service) for _ in range(3)]
    for page in pages:
        expect(page.locator("#state")).to_have_text("live")
    assert service.interrupt() == 0
    for page in pages:
        expect(page.locator("#state")).to_have_text("no answer, trying again")


def test_the_page_may_run_nothing_but_its_own(shown: Service) -> None:
    policy = shown.client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
