"""What one client may ask: bounds of bodies in bytes and time, and an answer in time when the server is away."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

import barq
import barq.http
from barq.protocol.call import Call
from tests.http.serving import client, listening, problem, serving
from tests.support import Server, free_port, until

LIMITS = barq.http.Limits(body=1000, body_seconds=0.3)


async def test_a_body_beyond_its_bound_is_refused(queue: barq.Queue) -> None:
    async with client(barq.http.app(queue, limits=LIMITS)) as api:
        for path in ("/jobs", "/job"):
            answer = await api.post(path, json={"type": "email", "data": "x" * 1000})
            problem(answer, 413, "body-too-large")
            assert (await api.post(path, json={"type": "email", "data": "x" * 900})).is_success


async def test_a_body_that_does_not_tell_its_length_is_bounded_too(queue: barq.Queue) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b'{"type":"email","data":"'
        while True:
            yield b"x" * 100

    async with client(barq.http.app(queue, limits=LIMITS)) as api:
        for path in ("/jobs", "/job"):
            answer = await api.post(path, content=endless(), headers={"content-type": "application/json"})
            problem(answer, 413, "body-too-large")


@pytest.mark.parametrize("path", ["/jobs", "/job"])
async def test_a_body_that_does_not_arrive_is_not_waited_for(queue: barq.Queue, path: str) -> None:
    async with serving(barq.http.app(queue, limits=LIMITS)) as url:
        port = int(url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        )
        writer.write(head.encode() + b'{"type"')
        answer = await asyncio.wait_for(reader.read(500), 5)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"body-too-slow" in answer
        writer.close()


AWAY = [
    ("GET", "/types"),
    ("GET", "/jobs"),
    ("GET", "/jobs/1"),
    ("GET", "/history"),
    ("GET", "/failures"),
    ("GET", "/audit"),
    ("GET", "/jobs/1/explain"),
    ("GET", "/jobs/1/attempts"),
    ("POST", "/jobs/1/clone"),
    ("POST", "/workers/w1/drain"),
    ("GET", "/workers"),
    ("GET", "/server"),
    ("GET", "/health"),
    ("GET", "/metrics"),
    ("GET", "/events"),
    ("GET", "/jobs/1/events"),
    ("POST", "/jobs"),
    ("POST", "/jobs/1/retry"),
    ("DELETE", "/jobs/1"),
    ("GET", "/stats"),
    ("GET", "/job/1"),
    ("GET", "/jobs/0..5"),
    ("POST", "/job"),
    ("DELETE", "/job/1"),
]


async def away(api: httpx.AsyncClient) -> None:
    began = time.monotonic()
    job = {"json": {"type": "email"}}
    asked = [(method, path, job if path in ("/jobs", "/job") else {}) for method, path in AWAY]
    answers = await asyncio.gather(*(api.request(method, path, **body) for method, path, body in asked))
    assert time.monotonic() - began < 3  # 1.5 s, and what a busy machine needs for so many at a time
    for answer in answers:
        problem(answer, 503, "server-unreachable")
        assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("timeout", [5.0, None])
async def test_without_the_server_everything_is_a_503_in_time(name: str, timeout: float | None) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}"
    async with barq.Queue(name, url=nobody, timeout=timeout) as queue, client(barq.http.app(queue)) as api:
        await away(api)
        answer = await api.get("/stats")
        assert answer.json()["error"] == answer.json()["detail"]


async def test_a_server_that_does_not_answer_is_a_503_in_time(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        async with barq.Queue(name, url=url) as queue, client(barq.http.app(queue)) as api:
            await away(api)


async def test_it_goes_on_when_the_server_is_back(own_server: Server, name: str) -> None:
    async with barq.Queue(name, url=own_server.url) as queue, client(barq.http.app(queue)) as api:
        assert (await api.post("/jobs", json={"type": "email"})).status_code == 201
        own_server.kill()
        await away(api)
        own_server.start()

        async def healthy() -> bool:
            return (await api.get("/health")).status_code == 200

        await until(healthy, "the server is back")
        assert (await api.get("/jobs/1")).json()["type"] == "email"


async def test_a_stream_goes_on_when_the_server_is_back(own_server: Server, name: str) -> None:
    async with barq.Queue(name, url=own_server.url) as queue:
        await queue.enqueue("email")
        async with serving(barq.http.app(queue)) as url, listening(f"{url}/events?after=0") as events:
            assert (await events.take(1))[0]["data"]["id"] == 1
            own_server.kill()
            own_server.start()
            await queue.enqueue("email")
            assert (await events.take(1))[0]["data"]["id"] == 2


async def test_a_full_server_is_a_507(own_server: Server, name: str) -> None:
    async with barq.Queue(name, url=own_server.url) as queue, client(barq.http.app(queue)) as api:
        await queue.ping()
        await queue._here().store.send(Call(None, b"", (b"CONFIG", b"SET", b"maxmemory", b"1"), bool))
        problem(await api.post("/jobs", json={"type": "email"}), 507, "queue-full")
        assert (await api.get("/types")).status_code == 200
        answer: Any = (await api.get("/server")).json()
        assert "memory" in answer["warnings"][0]
