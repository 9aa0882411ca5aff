"""`barq dashboard`: a real web server on the queue's API; to whom it answers, and how it ends."""

import base64
import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import barq.sync
from tests.cli.support import Cli, Running
from tests.support import Server, wait_until

TOKEN = "correct-horse-battery"


@contextlib.contextmanager
def dashboard(cli: Cli, *words: str, away: bool = False, **env: str) -> Iterator[tuple[str, Running]]:
    with cli.started("dashboard", "--port", "0", "--json", *words, **env) as running:
        running.prints("\n")
        url = json.loads(running.out)["url"]
        if not away:
            wait_until(lambda: httpx.get(f"{url}/health").status_code == 200, "it has connected")
        yield url, running


def test_it_serves_the_api_and_kues_to_this_machine(cli: Cli, jobs: barq.sync.Queue) -> None:
    with dashboard(cli) as (url, running):
        assert url.startswith("http://127.0.0.1:")
        assert f"at {url}; Ctrl-C stops it" in running.err.decode()
        assert httpx.post(f"{url}/jobs", json={"type": "email"}).json()["id"] == 1
        assert httpx.get(f"{url}/stats").json()["inactiveCount"] == 1
        assert httpx.get(f"{url}/", headers={"host": "evil.example"}).status_code == 403
    assert jobs.get(1).type == "email"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_it_stops_at_once_with_viewers_connected(cli: Cli, number: signal.Signals, code: int) -> None:
    with (
        dashboard(cli) as (url, running),
        httpx.stream("GET", f"{url}/events", timeout=20) as events,
        httpx.stream("GET", f"{url}/overview/stream", timeout=20) as overview,
    ):
        assert (events.status_code, overview.status_code) == (200, 200)
        began = time.monotonic()
        assert running.end(number) == code
        assert time.monotonic() - began < 2
        assert running.err.decode().splitlines()[1:] == []


def test_a_browser_gets_the_pages(cli: Cli) -> None:
    with cli.started("dashboard", "--port", "0", "--json") as running:
        running.prints("\n")
        url = json.loads(running.out)["url"]
        page = httpx.get(url, headers={"accept": "text/html"}, timeout=20)  # at once: it need not have connected
        assert page.headers["content-type"].startswith("text/html")
        assert "static/" in page.text


def test_it_ends_with_who_started_it(cli: Cli) -> None:
    with cli.started("dashboard", "--port", "0", "--json", "--tied", stdin=subprocess.PIPE) as running:
        running.prints("\n")
        assert running.process.stdin is not None
        running.process.stdin.close()
        assert running.end() == 0


def test_what_it_shows_and_allows_is_chosen(cli: Cli, jobs: barq.sync.Queue) -> None:
    jobs.enqueue("login", {"user": "ann", "password": "hunter2", "card": {"number": 5}})
    options = ("--read-only", "--mask", "password", "--mask", "card.number", "--origin", "https://ops.example.org")
    with dashboard(cli, *options, BARQ_TOKEN=TOKEN) as (url, _):
        assert httpx.get(f"{url}/jobs/1").status_code == 401
        with httpx.Client(base_url=url, headers={"authorization": f"Bearer {TOKEN}"}) as api:
            assert api.get("/jobs/1").json()["data"] == {"user": "ann", "password": "***", "card": {"number": "***"}}
            answer = api.delete("/jobs/1", headers={"origin": "https://ops.example.org"})
            assert answer.json()["code"] == "read-only"


def test_with_a_token_it_may_listen_for_others(cli: Cli) -> None:
    with dashboard(cli, "--host", "0.0.0.0", "--name", "jobs.example.org", BARQ_TOKEN=TOKEN) as (url, _):
        local = url.replace("0.0.0.0", "127.0.0.1")
        basic = "Basic " + base64.b64encode(f"ann:{TOKEN}".encode()).decode()
        headers = {"authorization": basic, "host": "jobs.example.org"}
        assert httpx.post(f"{local}/pause", headers=headers).json() == {"changed": True}
        assert httpx.get(f"{local}/types", headers=headers).json()["paused"]["by"] == "ann"
        assert httpx.get(f"{local}/types", headers={**headers, "host": "127.0.0.1"}).status_code == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "jobs.example.org"])
def test_without_a_token_others_are_not_let_in(cli: Cli, host: str) -> None:
    done = cli("dashboard", "--host", host)
    assert (done.code, done.out) == (2, "")
    assert "give a --token" in done.err


def test_what_is_wrong_is_one_line(cli: Cli) -> None:
    assert cli("dashboard", BARQ_TOKEN="short").complaint.startswith("token must have at least 16")
    assert cli("dashboard", "--mask", "a..b").complaint.startswith("a masked field")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = cli("dashboard", "--port", taken.getsockname()[1], "--json")
        assert done.code == 1
        assert "in use" in done.complaint
        assert done.json["ok"] is False


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['uvicorn'] = None\n"
        "from barq.cli import main; main(['dashboard'], standalone_mode=False)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "barq: the web server is not installed (uvicorn): pip install 'barq[web]'\n"


def test_it_waits_for_a_server_that_is_away(cli: Cli, own_server: Server) -> None:
    own_server.kill()
    with dashboard(cli, away=True, BARQ_URL=own_server.url) as (url, _):
        answer: Any = httpx.get(f"{url}/types")
        assert (answer.status_code, answer.json()["code"]) == (503, "server-unreachable")
        own_server.start()
        wait_until(lambda: httpx.get(f"{url}/types").status_code == 200, "it goes on when the server is back")
