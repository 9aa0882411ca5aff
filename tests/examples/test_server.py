"""Section 0: the server of the brief, as `barq server` runs it, and the dump that the examples carry."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from barq.store import embedded
from tests.cli.support import Cli
from tests.examples.program import FOLDER, Program


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A folder for the data of a server, which is ended with the test."""
    folder = tmp_path / "data"
    folder.mkdir()
    yield folder
    embedded.stop(folder)


def start(data: Path, *options: str) -> tuple[int, "redis.Redis"]:
    """`barq server --daemon`; returns its pid, and a client."""
    started = Cli(data.parent)("server", "--daemon", "--port", 0, "--dir", data, "--json", *options)
    assert started.code == 0, started
    return started.json["pid"], redis.Redis.from_url(started.json["url"], decode_responses=True)


def port(client: "redis.Redis") -> int:
    return int(client.get_connection_kwargs()["port"])


def test_the_dump_holds_the_school(data: Path) -> None:
    shutil.copy(FOLDER / "dump.rdb", data)
    _, client = start(data)
    with client:
        assert client.keys() == ["Holberton"]
        answer = Cli(data.parent, BARQ_URL=f"redis://127.0.0.1:{port(client)}")("cli", "--no-raw", "get", "Holberton")
        assert (answer.code, answer.out) == (0, '"School"\n')  # as on a terminal


def test_the_programs_read_the_dump(data: Path) -> None:
    shutil.copy(FOLDER / "dump.rdb", data)
    _, client = start(data)
    with client, Program("1-redis_op.py", port(client)) as program:
        assert program.has_printed(4).lines[1:] == ["School", "Reply: OK", "100"]


@pytest.mark.parametrize(
    ("number", "options"),
    [(signal.SIGTERM, []), (signal.SIGKILL, ["--durability", "fsync"])],
    ids=["kill", "kill-9"],
)
def test_the_school_is_still_there_after_a_kill_by_pid(data: Path, number: signal.Signals, options: list[str]) -> None:
    pid, client = start(data, *options)
    with client:
        assert client.set("Holberton", "School") is True
    process = psutil.Process(pid)
    os.kill(pid, number)
    process.wait(20)
    again, client = start(data, *options)
    with client:
        assert again != pid
        assert client.get("Holberton") == "School"
