"""Tasks 9 and 10: what holds for both services as processes on the network."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.support import Cli
from tests.examples.program import FOLDER, Program
from tests.examples.service import Service, Start, starting
from tests.support import Server, free_port, wait_until

SERVICES = ["9-stock.py", "100-seat.py"]
ROUTES = {
    "9-stock.py": ["/list_products", "/list_products/1", "/reserve_product/1"],
    "100-seat.py": ["/available_seats", "/reserve_seat", "/process"],
}
READY = {"9-stock.py": "/list_products/1", "100-seat.py": "/available_seats"}
SECONDS_TO_END = 4.0


@pytest.fixture(scope="module", params=SERVICES)
def file(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def asked(file: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One for the tests that only ask."""
    server = Server(tmp_path_factory.mktemp("redis")).start()
    with Service(file, server.port) as service:
        yield service.listens().is_ready(READY[file])
    server.stop()


@pytest.fixture
def start(file: str, own_server: Server) -> Iterable[Start]:
    yield from starting(file, own_server.port)


@pytest.fixture
def service(start: Start, file: str) -> Service:
    return start().listens().is_ready(READY[file])


# ---- JSON always


def test_unknown_routes_are_not_found(asked: Service, file: str) -> None:
    unknown = [
        "/nope",
        "/%00",
        "/%FF",
        "/..%2f..%2fetc/passwd",
        "/process/",
        *(f"{path}/" for path in ROUTES[file]),
    ]
    for path in [*unknown, f"/list_products/1/{'x' * 5000}", "/openapi.json/x", "/9-stock.py"]:
        answer = asked.client.get(path)
        assert (answer.status_code, answer.text) == (404, '{"status":"Not found"}'), path
        assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_not_allowed(method: str, asked: Service, file: str) -> None:
    for path in [*ROUTES[file], "/", "/openapi.json"]:
        for body in (b"", b'{"number":', b"\xff\x00" * 1000):
            answer = asked.client.request(method, path, content=body, headers={"content-type": "application/json"})
            assert (answer.status_code, answer.text) == (405, '{"status":"Method not allowed"}'), path
            assert "GET" in answer.headers["allow"]
            assert answer.headers["content-type"] == "application/json"


def test_a_body_and_a_query_that_nobody_asked_for_are_ignored(asked: Service, file: str) -> None:
    path = ROUTES[file][0]
    plain = asked.client.get(path).text
    assert asked.client.request("GET", path, content=b'{"broken', params={"a": "1", "": "\x00"}).text == plain


def test_a_malformed_key_is_refused(asked: Service, file: str) -> None:
    path = next(path for path in ROUTES[file] if "reserve" in path)
    for key in (b"", b"x" * 101, b"x" * 50_000, b"a b", b"a\tb", b"\xe9", b"\xff" * 50):
        answer = asked.client.get(path, headers={b"Idempotency-Key": key})
        assert answer.status_code == 400, key
        assert answer.json() == {"status": "Idempotency-Key must have 1 to 100 characters, all of them visible ASCII"}
    assert asked.client.get(path, headers={"Idempotency-Key": "!" + "~" * 99}).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"BREW / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\r\n: \r\n\r\n",
        b"\x16\x03\x01\x02\x00",
    ],
)
def test_what_is_not_http_is_a_bad_request(sent: bytes, asked: Service) -> None:
    with socket.create_connection(("127.0.0.1", asked.port), timeout=5) as connection:
        connection.sendall(sent)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/json" in head
    assert json.loads(body) == {"status": "Bad request"}


def test_a_websocket_is_not_opened(asked: Service, file: str) -> None:
    wanted = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "eA==",
        "Sec-WebSocket-Version": "13",
    }
    answer = asked.client.get("/nope", headers=wanted)
    assert (answer.status_code, answer.text) == (404, '{"status":"Not found"}')


# ---- the process


def test_ctrl_c_ends_it_with_connections_open(service: Service, file: str) -> None:
    """A viewer whose connection stays open, one who is in the middle of a request, and one who says nothing."""
    with contextlib.ExitStack() as stack:
        for said in (b"", b"GET / HTTP/1.1\r\nHost: x", f"GET {ROUTES[file][0]} HTTP/1.1\r\nHost: x\r\n\r\n".encode()):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=5))
            connection.sendall(said)
        connection.recv(1)
        service.client.get("/process")
        began = time.monotonic()
        assert service.interrupt() == 0
        assert time.monotonic() - began < SECONDS_TO_END


def test_ctrl_c_ends_it_while_redis_is_frozen(service: Service, own_server: Server, file: str) -> None:
    """With a request and, for the seats, a worker that wait for it."""
    service.client.get("/process")
    assert own_server.process is not None
    own_server.process.send_signal(signal.SIGSTOP)
    try:
        with socket.create_connection(("127.0.0.1", service.port), timeout=5) as connection:
            path = next(path for path in ROUTES[file] if "reserve" in path)
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            time.sleep(0.1)  # the request is under way; it needs no more than to have begun
            began = time.monotonic()
            assert service.interrupt() == 0
            assert time.monotonic() - began < SECONDS_TO_END
    finally:
        own_server.process.send_signal(signal.SIGCONT)


def test_ctrl_c_ends_it_while_redis_is_away(file: str) -> None:
    with Service(file, free_port()) as service:
        service.listens()
        service.client.get("/process")
        assert service.interrupt() == 0


def test_sigterm_ends_it(service: Service) -> None:
    service.process.terminate()
    assert service.process.wait(SECONDS_TO_END + 1) in (0, -signal.SIGTERM)
    assert not any("Traceback" in line for line in service.errors)


def test_the_port_comes_from_the_environment(file: str, own_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("PORT", str(port))
    with Program(file, own_server.port, "--host", "127.0.0.2") as program:
        wait_until(lambda: _answers(f"http://127.0.0.2:{port}/openapi.json"), "it listens there")
        assert not _answers(f"http://127.0.0.1:{port}/openapi.json")
        assert program.interrupt() == 0


def test_a_port_that_is_taken_and_one_that_is_none_are_said(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Program(file, free_port(), "--port", str(port)) as program:
            assert program.process.wait(20) != 0
            wait_until(lambda: any("address already in use" in line for line in program.errors), "that is said")
            assert "Traceback" not in "\n".join(program.errors)
    monkeypatch.setenv("PORT", "many")
    with Program(file, free_port()) as program:
        assert program.process.wait(20) == 2
        wait_until(lambda: any("invalid int value: 'many'" in line for line in program.errors), "that is said")


def test_a_url_that_names_no_redis_is_said(file: str) -> None:
    done = subprocess.run(
        [sys.executable, str(FOLDER / file)],
        env={**os.environ, "BARQ_URL": "http://nowhere"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "http://nowhere" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The folder of the examples, to be changed."""
    folder = tmp_path / "examples"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_barq_dev_reloads_it(copy: Path, file: str, own_server: Server) -> None:
    port = free_port()
    old, new, path = {
        "9-stock.py": ('"Suitcase 250", 50', '"Suitcase 250", 49', "/list_products"),
        "100-seat.py": ("Queue processing", "Queue is processed", "/process"),
    }[file]
    url = f"http://127.0.0.1:{port}{path}"
    cli = Cli(copy, BARQ_URL=own_server.url)
    with cli.started("dev", file, "--port", port) as dev:
        wait_until(lambda: _answers(url), "it listens")
        before = _text(url)
        program = copy / file
        program.write_text(program.read_text().replace(old, new))
        wait_until(lambda: _text(url) not in (before, ""), "it runs anew")
        began = time.monotonic()
        assert dev.end(signal.SIGINT) == 130
        assert time.monotonic() - began < SECONDS_TO_END + 1
        assert b"Traceback" not in dev.err
        assert b"barq.worker" not in dev.err  # that its queue has a handler does not make a worker of it


def _answers(url: str) -> bool:
    return _text(url) != ""


def _text(url: str) -> str:
    try:
        return httpx.get(url, timeout=2).text
    except httpx.TransportError:
        return ""
