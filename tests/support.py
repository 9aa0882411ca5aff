"""What several tests need: a server process, and waiting for what another process does."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from barq.store.process import find_binary

ROOT = Path(__file__).parent.parent


class Server:
    """A server process: the bundled Valkey, or the binary that BARQ_TEST_SERVER names (CI runs Redis 7 as well)."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.host = "127.0.0.1"
        self.folder = folder
        self.options = options
        self.wrapper: tuple[str, ...] = ()  # a program that runs the server
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}"

    def start(self) -> "Server":
        self.launch()
        wait_until(lambda: self._answers(), "the server answers")
        return self

    def launch(self) -> None:
        """Start it without waiting until it has loaded its data."""
        binary = os.environ.get("BARQ_TEST_SERVER") or str(find_binary())
        persistence = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
        self.process = subprocess.Popen(
            [
                *self.wrapper,
                binary,
                "--bind",
                self.host,
                "--port",
                str(self.port),
                "--dir",
                str(self.folder),
                *persistence,
                *self.options,
            ],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.running:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(10)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(true: Callable[[], object], what: str, *, seconds: float = 20.0) -> None:
    """Poll a condition of another process, which has no signal to wait on."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


async def until(true: Callable[[], Awaitable[object]], what: str, *, seconds: float = 20.0) -> None:
    """The same for a condition that has to be asked of the server: what takes longer is asked less often."""
    began = time.monotonic()
    while not await true():
        waited = time.monotonic() - began
        if waited > seconds:
            raise AssertionError(f"not within {seconds} s: {what}")
        await asyncio.sleep(min(0.05, max(0.005, waited / 10)))
