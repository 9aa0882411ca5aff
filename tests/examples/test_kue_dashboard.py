"""kue-dashboard.py: the dashboard in an application of one's own: its page, its APIs, and how it ends with viewers."""

import json
import signal
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.examples.program import Program
from tests.examples.service import Service
from tests.support import Server, free_port, wait_until

SECONDS_TO_END = 2.0


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


# ---- the server


def test_without_a_server_the_page_comes_and_its_data_as_soon_as_there_is_one(own_server: Server) -> None:
    own_server.kill()
    with Service("kue-dashboard.py", own_server.port) as service:
        service.listens()
        assert service.client.get("/").json()["dashboard"] == "/kue/"
        assert "static/" in service.client.get("/kue/", headers={"accept": "text/html"}).text
        for path in ("/kue/stats", "/kue/overview", "/kue/health", "/kue/jobs"):
            answer = service.client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json"), path
        own_server.start()
        service.is_ready("/kue/health")
        assert service.client.get("/kue/stats").json()["inactiveCount"] == 0


def test_viewers_and_clients_go_on_when_the_server_was_killed_and_is_back(
    served: tuple[str, Program], own_server: Server
) -> None:
    url, _ = served
    assert httpx.post(f"{url}/kue/job", json={"type": "email", "data": {}}).json()["id"] == 1
    with httpx.stream("GET", f"{url}/kue/overview/stream", timeout=60) as stream:
        told = (json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: {"))
        assert next(told)["counts"]["waiting"] == 1
        own_server.kill()
        assert httpx.get(f"{url}/kue/stats", timeout=20).status_code == 503
        own_server.start()
        wait_until(lambda: httpx.get(f"{url}/kue/health", timeout=20).status_code == 200, "it has connected again")
        assert httpx.post(f"{url}/kue/job", json={"type": "email", "data": {}}).json()["id"] == 2
        assert any(one.get("counts", {}).get("waiting") == 2 for one in told), "the same stream tells it"


def test_ctrl_c_ends_it_while_the_server_is_away(own_server: Server) -> None:
    own_server.kill()
    with Service("kue-dashboard.py", own_server.port) as service:
        service.listens()
        service.client.get("/kue/stats")
        assert service.interrupt() in (0, 130)


def test_ctrl_c_ends_it_while_the_server_is_frozen_and_people_look(
    served: tuple[str, Program], own_server: Server
) -> None:
    url, program = served
    assert own_server.process is not None
    with httpx.stream("GET", f"{url}/kue/overview/stream", timeout=20) as stream:
        next(stream.iter_lines())
        own_server.process.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            assert program.interrupt() in (0, 130)
            assert time.monotonic() - began < SECONDS_TO_END
        finally:
            own_server.process.send_signal(signal.SIGCONT)
