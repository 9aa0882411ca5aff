"""kue-dashboard.py: the dashboard in an application of one's own: its page, its APIs, and how it ends with viewers."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.examples.program import Program
from tests.support import Server, free_port, wait_until


@pytest.fixture
def served(own_server: Server) -> Iterator[tuple[str, Program]]:
    port = free_port()
    with Program("kue-dashboard.py", own_server.port, "--port", str(port)) as program:
        url = f"http://127.0.0.1:{port}"
        program.says("running on")
        wait_until(lambda: httpx.get(f"{url}/kue/health").status_code == 200, "it has connected")
        yield url, program


def test_it_shows_the_queue_beside_what_is_its_own(served: tuple[str, Program]) -> None:
    url, _ = served
    assert httpx.get(url).json()["dashboard"] == "/kue/"
    page = httpx.get(f"{url}/kue", headers={"accept": "text/html"}, follow_redirects=True)
    assert page.url.path == "/kue/"
    assert "static/" in page.text
    made = httpx.post(f"{url}/kue/job", json={"type": "email", "data": {"to": "ann@example.org"}}).json()
    assert made == {"message": "job created", "id": 1}
    assert httpx.get(f"{url}/kue/stats").json()["inactiveCount"] == 1
    assert httpx.get(f"{url}/kue/overview").json()["counts"]["waiting"] == 1


def test_ctrl_c_ends_it_within_two_seconds_while_people_look(served: tuple[str, Program]) -> None:
    url, program = served
    with httpx.stream("GET", f"{url}/kue/overview/stream", timeout=20) as stream:
        lines = stream.iter_lines()
        told = next(line for line in lines if line.startswith("data: "))
        assert json.loads(told.removeprefix("data: "))["queue"] == "default"
        assert program.interrupt() in (0, 130)
        assert [line for line in lines if line.startswith("event: problem")] == []
