"""Docs of the HTTP API: what they show of curl is run, line by line, and compared with the answers they show."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from barq.http.endpoints import ENDPOINTS
from barq.http.problems import STATUSES
from tests.support import ROOT, Server, free_port, wait_until

HTTP = (ROOT / "docs" / "http.md").read_text()
KUE = (ROOT / "docs" / "kue.md").read_text()


@pytest.fixture
def address(own_server: Server, tmp_path: Path) -> Iterator[str]:
    """Where `barq dashboard` serves an empty queue."""
    port = free_port()
    command = [sys.executable, "-m", "barq", "dashboard", "--port", str(port)]
    process = subprocess.Popen(
        command, env={**os.environ, "BARQ_URL": own_server.url}, cwd=tmp_path, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    assert b"Ctrl-C stops it" in process.stderr.readline()
    address = f"localhost:{port}"
    wait_until(lambda: '"ok"' in answer_of(f"curl -s {address}/health"), "it has connected")
    yield address
    process.terminate()
    process.communicate(timeout=10)


def answer_of(command: str) -> str:
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == "", done.stderr
    return done.stdout


@pytest.mark.parametrize("page", [HTTP, KUE], ids=["http", "kue"])
def test_what_is_shown_of_curl_is_what_one_gets(page: str, address: str) -> None:
    shown = [
        (command, answer)
        for block in re.findall(r"```shell-session\n(.*?)```", page, re.DOTALL)
        for command, answer in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]
    assert len(shown) > 8
    for command, expected in shown:
        answer = answer_of(command.replace("localhost:3000", address))
        pattern = ".*".join(map(re.escape, expected.strip().split("…")))
        assert re.fullmatch(pattern, answer.strip(), re.DOTALL), f"{command}\n{answer}\nis not\n{expected}"


def test_every_endpoint_is_in_the_table() -> None:
    told = set(re.findall(r"^\| `([A-Z]+ /\S*)`", HTTP, re.MULTILINE))
    assert told == {f"{one.method} {one.path}" for one in ENDPOINTS}


def test_every_status_is_in_the_table() -> None:
    rows = re.findall(r"^\| (\d{3}) \| ([a-z-, ]+) \|", HTTP, re.MULTILINE)
    told = {(int(status), code) for status, codes in rows for code in codes.split(", ")}
    source = "".join(path.read_text() for path in (ROOT / "src" / "barq" / "http").rglob("*.py"))
    raised = {(int(status), code) for status, code in re.findall(r'Refused\(\s*(\d{3}), "([a-z-]+)"', source)}
    assert raised | {(status, code) for _, status, code in STATUSES} <= told
