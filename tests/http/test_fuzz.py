"""Schemathesis reads the OpenAPI document and calls everything in it, with values that fit it and values that do not."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

import barq
import barq.http
from barq.http.endpoints import ENDPOINTS
from tests.support import ROOT, Server, free_port, wait_until


@pytest.fixture
def address(server: Server, name: str) -> Iterator[str]:
    """The API behind a real web server, with streams that end soon, so that what reads them does too."""
    app = barq.http.app(barq.Queue(name, url=server.url), limits=barq.http.Limits(stream_seconds=0.05))
    port = free_port()
    web = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="off"))
    thread = threading.Thread(target=web.run)
    thread.start()
    wait_until(lambda: web.started, "the web server listens")
    yield f"http://127.0.0.1:{port}"
    web.should_exit = True
    thread.join(10)


@pytest.mark.timeout(400)
def test_schemathesis_finds_nothing(address: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json"]
    done = subprocess.run(
        [*command, "--max-examples=10", "--generation-deterministic", "--no-color"],
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.http.fuzz_hooks", "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    called = len(ENDPOINTS) - 1  # all but the document itself
    assert f"{called} selected / {called} total" in done.stdout
