"""The files of the dashboard as they are served: how large, how kept, under which policy, and under any path."""

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

import barq
import barq.dashboard
from barq.dashboard import files
from tests.http.serving import client, problem

STATIC = Path(barq.dashboard.__file__).parent / "static"
HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
MOST_BYTES = 150_000
TOKEN = "correct-horse-battery"


@pytest.fixture
async def pages(queue: barq.Queue) -> AsyncIterator[httpx.AsyncClient]:
    async with client(barq.dashboard.app(queue)) as made:
        yield made


async def loaded(pages: httpx.AsyncClient, base: str = "") -> dict[str, httpx.Response]:
    """The page and all that it loads, by path."""
    page = await pages.get(f"{base}/", headers=HTML)
    paths = re.findall(r'(?:src|href)="(static/[^"]+)"', page.text)
    return {"": page, **{path: await pages.get(f"{base}/{path}") for path in dict.fromkeys(paths)}}


async def test_a_browser_gets_the_page_and_a_program_the_index(pages: httpx.AsyncClient) -> None:
    page = await pages.get("/", headers=HTML)
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["vary"] == "Accept"
    assert (await pages.get("/")).json()["name"] == "barq"
    assert (await pages.get("/stats")).json()["inactiveCount"] == 0


async def test_all_of_it_is_small(pages: httpx.AsyncClient) -> None:
    answers = await loaded(pages)
    assert {answer.status_code for answer in answers.values()} == {200}
    assert len(answers) > 20
    scripts = {path.name for path in STATIC.iterdir()} - {"index.html"}
    assert {path.rpartition("/")[2] for path in answers if path} == scripts
    assert sum(len(answer.content) for answer in answers.values()) < MOST_BYTES


async def test_it_is_sent_packed_to_who_unpacks(queue: barq.Queue) -> None:
    body = (STATIC / "style.css").read_bytes()
    async with client(barq.dashboard.app(queue)) as pages:
        path = f"/static/{files.version()}/style.css"
        packed = await pages.get(path, headers={"accept-encoding": "gzip"})
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.content == body  # as httpx has unpacked it
        plain = await pages.get(path, headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.content == body
    assert gzip.decompress(files.every()["style.css"].small) == body


async def test_files_are_kept_by_browsers_until_they_change(pages: httpx.AsyncClient) -> None:
    now = await pages.get(f"/static/{files.version()}/main.js")
    assert "immutable" in now.headers["cache-control"]
    assert now.headers["content-type"].startswith("text/javascript")
    before = await pages.get("/static/0123456789ab/main.js")
    assert (before.status_code, before.headers["cache-control"]) == (200, "no-store")
    assert (await pages.get("/", headers=HTML)).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("file", ["nothing.js", "index.html", "..%2fapp.py", "%2e%2e/app.py", "", "static"])
async def test_nothing_else_is_given_out(file: str, pages: httpx.AsyncClient) -> None:
    assert (await pages.get(f"/static/{files.version()}/{file}")).status_code == 404


async def test_the_policy_allows_nothing_but_its_own(pages: httpx.AsyncClient) -> None:
    policy = (await pages.get("/", headers=HTML)).headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    for part in ("script-src", "style-src", "connect-src", "img-src"):
        assert rules[part] == "'self'"
    assert "unsafe" not in policy
    assert "http" not in policy
    assert rules["require-trusted-types-for"] == "'script'"


def test_nothing_of_the_sources_makes_markup_or_asks_others() -> None:
    for path in STATIC.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|https?://", text
        ), path


async def test_under_any_path(queue: barq.Queue) -> None:
    mounted = Starlette(routes=[Mount("/ops/queue", app=barq.dashboard.app(queue))])
    async with client(mounted) as pages:
        answers = await loaded(pages, "/ops/queue")
        assert {answer.status_code for answer in answers.values()} == {200}
        away = await pages.get("/ops/queue", headers=HTML)
        assert away.headers["location"].endswith("/ops/queue/")


async def test_a_token_stands_before_the_page_as_well(queue: barq.Queue) -> None:
    async with client(barq.dashboard.app(queue, token=TOKEN)) as pages:
        refused: Any = await pages.get("/", headers=HTML)
        problem(refused, 401, "unauthorized")
        assert refused.headers["www-authenticate"].startswith("Basic")
        assert (await pages.get(f"/static/{files.version()}/main.js")).status_code == 401
        assert (await pages.get("/", headers=HTML, auth=("ann", TOKEN))).status_code == 200


async def test_only_this_machine_comes_in_without_one(queue: barq.Queue) -> None:
    async with client(barq.dashboard.app(queue)) as pages:
        problem(await pages.get("/", headers={**HTML, "host": "evil.example"}), 403, "host-refused")
