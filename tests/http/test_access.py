"""Who may come in: this machine under a local name; others with a token or an auth hook; pages of other origins never."""

import base64
from typing import Any

import httpx
import pytest
from starlette.requests import HTTPConnection

import barq
import barq.http
from tests.http.serving import client, problem

TOKEN = "correct-horse-battery"


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


# ---- without a token


LOCAL = ["127.0.0.1", "localhost", "localhost:3000", "[::1]:3000", "127.8.9.1", "LOCALHOST.", "app.localhost"]


@pytest.mark.parametrize("host", LOCAL)
async def test_this_machine_comes_in_under_local_names(api: httpx.AsyncClient, host: str) -> None:
    assert (await api.get("/types", headers={"host": host})).status_code == 200


FOREIGN = [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "10.0.0.1",
    "",
    "[::2]",
    "a:b:c",
    "[",
    "0",
]


@pytest.mark.parametrize("host", FOREIGN)
async def test_another_name_is_refused(api: httpx.AsyncClient, host: str) -> None:
    """A page whose name someone points to 127.0.0.1 would be of the same origin for a browser."""
    for path in ("/types", "/stats", "/events"):
        problem(await api.get(path, headers={"host": host}), 403, "host-refused")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_this_machine_comes_in_by_any_of_its_own_addresses(app: Any, address: str) -> None:
    transport = httpx.ASGITransport(app=app, client=(address, 5))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as api:
        assert (await api.get("/types")).status_code == 200


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.1.5", "::ffff:10.0.0.1", "testclient"])
async def test_another_machine_is_refused(app: Any, address: str) -> None:
    transport = httpx.ASGITransport(app=app, client=(address, 5))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as api:
        problem(await api.get("/types"), 403, "local-only")


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded"])
async def test_what_comes_through_a_proxy_is_refused(api: httpx.AsyncClient, header: str) -> None:
    problem(await api.get("/types", headers={header: "for=10.0.0.1"}), 403, "local-only")


# ---- pages of other origins


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "https://127.0.0.1:81", "null", "http://127.0.0.1.evil.example", "127.0.0.1", ""]
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/pause"), ("GET", "/types"), ("PUT", "/job/1/state/inactive")])
async def test_a_page_of_another_origin_is_refused(
    api: httpx.AsyncClient, queue: barq.Queue, origin: str, method: str, path: str
) -> None:
    problem(await api.request(method, path, headers={"origin": origin}), 403, "origin-refused")
    assert await queue.paused() is None


async def test_a_page_of_its_own_origin_is_let_in(api: httpx.AsyncClient) -> None:
    headers = {"origin": "http://localhost:3000", "host": "localhost:3000"}
    assert (await api.post("/pause", headers=headers)).status_code == 200


async def test_an_origin_that_is_named_is_let_in(queue: barq.Queue) -> None:
    async with client(barq.http.app(queue, origins=["https://ops.example.org"])) as api:
        assert (await api.post("/pause", headers={"origin": "https://ops.example.org"})).status_code == 200
        problem(await api.post("/pause", headers={"origin": "https://ops.example.com"}), 403, "origin-refused")


# ---- with a token


async def test_a_token_lets_in_from_anywhere(queue: barq.Queue) -> None:
    app = barq.http.app(queue, token=TOKEN)
    transport = httpx.ASGITransport(app=app, client=("203.0.113.9", 5))
    async with httpx.AsyncClient(transport=transport, base_url="https://jobs.example.org") as api:
        for headers in (bearer(TOKEN), basic("ann", TOKEN), {"authorization": f"bearer  {TOKEN}"}):
            assert (await api.get("/types", headers=headers)).status_code == 200
            assert (await api.get("/stats", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer(TOKEN + "x"),
        bearer(TOKEN[:-1]),
        bearer(""),
        basic(TOKEN, ""),
        basic("ann", TOKEN.upper()),
        {"authorization": TOKEN},
        {"authorization": "Basic %%%"},
        {"authorization": "Basic /w=="},
        {"authorization": "Digest x"},
        {"authorization": "Bearer \xff".encode("latin-1")},
    ],
)
async def test_without_the_token_nobody_comes_in(queue: barq.Queue, headers: dict[str, str]) -> None:
    async with client(barq.http.app(queue, token=TOKEN)) as api:
        for path in ("/types", "/stats", "/", "/openapi.json", "/nowhere", "/metrics", "/events"):
            answer = await api.get(path, headers=headers)
            problem(answer, 401, "unauthorized")
            assert (
                answer.headers["www-authenticate"] == 'Basic realm="barq", charset="UTF-8"'
            )  # a second challenge in it, and Chromium does not ask
            assert TOKEN not in answer.text


async def test_acts_are_recorded_under_the_name_that_was_given(queue: barq.Queue) -> None:
    async with client(barq.http.app(queue, token=TOKEN)) as api:
        await api.post("/pause", headers=basic("ann", TOKEN))
        assert (await api.get("/types", headers=bearer(TOKEN))).json()["paused"]["by"] == "ann"
        await api.post("/pause", headers=basic("a\nb\x1b[2J", TOKEN))
        assert (await api.get("/types", headers=bearer(TOKEN))).json()["paused"]["by"] == "ab[2J"


@pytest.mark.parametrize(
    "token", ["", "x" * 15, "with a space in it", "ünïcode-ünïcode-ünïcode", "line\nline\nline\nline"]
)
def test_a_token_that_is_too_weak_is_refused(queue: barq.Queue, token: str) -> None:
    with pytest.raises(barq.InvalidValue, match="token must have at least 16"):
        barq.http.app(queue, token=token)


async def test_names_can_be_asked_for_beside_a_token(queue: barq.Queue) -> None:
    async with client(barq.http.app(queue, token=TOKEN, hosts=["jobs.example.org"]), headers=bearer(TOKEN)) as api:
        assert (await api.get("/types", headers={"host": "Jobs.example.org:8080"})).status_code == 200
        problem(await api.get("/types"), 403, "host-refused")


# ---- with a hook


async def test_a_hook_says_who_it_is(queue: barq.Queue) -> None:
    async def who(request: HTTPConnection) -> barq.http.Visitor | None:
        match request.cookies.get("session"):
            case "1":
                return barq.http.Visitor("ann")
            case "2":
                return barq.http.Visitor("bob", read_only=True)
        return None

    async with client(barq.http.app(queue, auth=who), base_url="https://jobs.example.org") as api:
        problem(await api.get("/types"), 401, "unauthorized")
        api.cookies = httpx.Cookies({"session": "2"})
        assert (await api.get("/types")).status_code == 200
        problem(await api.post("/pause"), 403, "read-only")
        api.cookies = httpx.Cookies({"session": "1"})
        assert (await api.post("/pause")).json() == {"changed": True}
        assert (await api.get("/types")).json()["paused"]["by"] == "ann"


async def test_a_hook_may_be_a_plain_function(queue: barq.Queue) -> None:
    async with client(barq.http.app(queue, auth=lambda _: barq.http.Visitor("ann"))) as api:
        assert (await api.get("/types")).status_code == 200


async def test_a_hook_that_returns_something_else_lets_nobody_in(queue: barq.Queue) -> None:
    transport = httpx.ASGITransport(app=barq.http.app(queue, auth=lambda _: True), raise_app_exceptions=False)  # type: ignore[arg-type, return-value]
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as api:
        problem(await api.get("/types"), 500, "internal-error")


# ---- read-only


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/jobs"),
        ("DELETE", "/jobs/1"),
        ("POST", "/jobs/1/cancel"),
        ("POST", "/jobs/1/retry"),
        ("POST", "/jobs/1/promote"),
        ("POST", "/pause"),
        ("POST", "/types/email/resume"),
        ("POST", "/job"),
        ("DELETE", "/job/1"),
        ("PUT", "/job/1/state/failed"),
        ("PUT", "/job/1/priority/5"),
        ("POST", "/nowhere"),
    ],
)
async def test_read_only_mode_changes_nothing(queue: barq.Queue, method: str, path: str) -> None:
    await queue.enqueue("email")
    async with client(barq.http.app(queue, read_only=True)) as api:
        problem(await api.request(method, path, json={"type": "email"}), 403, "read-only")
        assert (await api.get("/jobs/1")).json()["state"] == "waiting"
        assert (await api.get("/")).json()["read_only"] is True
    assert (await queue.counts()) == {**dict.fromkeys(await queue.counts(), 0), "waiting": 1}


# ---- settings


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"token": TOKEN, "auth": lambda _: None}, "not both"),
        ({"auth": "ann"}, "auth must be a function"),
        ({"token": 5}, "token must be a str"),
        ({"hosts": "localhost"}, "hosts must be a list"),
        ({"origins": "http://a"}, "origins must be a list"),
        ({"mask": "password"}, "mask must be a list"),
        ({"mask": ["a..b"]}, "masked field"),
        ({"mask": [5]}, "masked field"),
    ],
)
def test_settings_that_are_wrong_are_refused(queue: barq.Queue, options: dict[str, Any], words: str) -> None:
    with pytest.raises(barq.BarqError, match=words):
        barq.http.app(queue, **options)


def test_a_queue_has_to_be_one() -> None:
    with pytest.raises(barq.InvalidType, match=r"queue must be a barq\.Queue"):
        barq.http.app("redis://127.0.0.1")
