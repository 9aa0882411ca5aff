"""The server of a run, and what only a connection of the harness's own may ask of it."""

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import Any

import redis.asyncio

from tests.support import Server

ANSWER_SECONDS = 10.0
NAME = "harness"
SLOW_LOG = ("--slowlog-log-slower-than", "20000", "--slowlog-max-len", "1000")


class ChaosServer:
    """Appends to its file and syncs before each answer (`fsync`)."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._server = Server(folder, "--logfile", str(folder / "server.log"), *SLOW_LOG)
        self._server.start()
        self.kills = 0
        self.client = redis.asyncio.Redis(
            port=self.port,
            protocol=2,
            client_name=NAME,
            socket_connect_timeout=ANSWER_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=None,  # type: ignore[arg-type]
        )
        self.client.response_callbacks.clear()  # replies as they come

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def pid(self) -> int:
        assert self._server.process is not None
        return self._server.process.pid

    def kill(self) -> None:
        self.kills += 1
        self._server.kill()

    def signal(self, number: signal.Signals) -> None:
        assert self._server.process is not None
        self._server.process.send_signal(number)

    async def restart(self) -> None:
        await asyncio.to_thread(self._server.start)

    async def ask(self, *words: Any) -> Any:
        """One command, by a connection that no fault touches. Raises redis.ConnectionError while the server is down."""
        return await self.client.execute_command(*words)  # type: ignore[no-untyped-call]

    async def stop(self) -> None:
        with contextlib.suppress(redis.RedisError, OSError):
            await self.client.aclose()
        if self._server.process is not None and self._server.process.poll() is None:
            self.signal(signal.SIGCONT)
            self._server.process.kill()
            self._server.process.wait()
