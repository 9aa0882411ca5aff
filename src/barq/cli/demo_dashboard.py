"""The dashboard of `barq demo`: a `barq dashboard` of its own beside it, which ends with it."""

import asyncio
import contextlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Final

PORTS: Final = (3000, 0)
"""The usual one, else any that is free."""

_STOP_SECONDS: Final = 5


class Dashboard:
    """`address` is empty until it listens."""

    def __init__(self) -> None:
        self.address = ""
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, queue: str, url: str, log: Path) -> None:
        for port in PORTS:
            options = ["--port", str(port), "--queue", queue, "--url", url, "--json", "--tied"]
            # a process group of its own: Ctrl-C is for the demo, which ends one thing after the other
            with log.open("ab") as said:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-m", "barq", "dashboard", *options),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=said,
                    process_group=0,
                )
            assert self._process.stdout is not None
            told = json.loads(await self._process.stdout.readline() or b"{}")
            if told.get("ok"):
                self.address = told["url"]
                return
            await self._process.wait()

    async def stop(self) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


def can_be() -> bool:
    """Whether the web server is installed."""
    return all(importlib.util.find_spec(name) for name in ("starlette", "uvicorn", "prometheus_client"))
