"""Load: so many connections, each of which asks again as soon as it is answered. Python on uvloop, one process."""

import asyncio
import statistics
import time
from dataclasses import dataclass
from typing import Any

import uvloop

WARM_UP_SECONDS = 0.3
SECONDS_TO_ANSWER = 10.0


@dataclass(frozen=True)
class Rate:
    per_second: float
    p99_ms: float


class Asking(asyncio.Protocol):
    """One connection: asks, reads the whole answer, notes how long it took, asks again until told to stop."""

    def __init__(self, request: bytes) -> None:
        self.seconds: list[float] = []
        self.wrong: bytes = b""
        self.over = asyncio.get_running_loop().create_future()
        self._request = request
        self._read = b""
        self._asked_at = 0.0
        self._stopped = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, _, body = self._read.partition(b"\r\n\r\n")
        if len(body) < _content_length(head):
            return
        if not head.startswith(b"HTTP/1.1 200 "):
            self.wrong = self._read
        self.seconds.append(time.perf_counter() - self._asked_at)
        self._read = b""
        if self._stopped:
            self._transport.close()
        else:
            self._ask()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self._stopped:
            self.wrong = self.wrong or b"the connection was closed"
        if not self.over.done():
            self.over.set_result(None)

    def stop(self) -> None:
        self._stopped = True

    def _ask(self) -> None:
        self._asked_at = time.perf_counter()
        self._transport.write(self._request)


def _content_length(head: bytes) -> float:
    for line in head.split(b"\r\n"):
        if line[:15].lower() == b"content-length:":
            return int(line[15:])
    return float("inf")  # not all of the head is here yet


def load(port: int, path: str, *, connections: int, seconds: float) -> Rate:
    """Raises AssertionError when an answer is not a 200."""
    return uvloop.run(_load(port, path, connections, seconds))


async def _load(port: int, path: str, connections: int, seconds: float) -> Rate:
    loop = asyncio.get_running_loop()
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    asking = [(await loop.create_connection(lambda: Asking(request), "127.0.0.1", port))[1] for _ in range(connections)]
    await asyncio.sleep(WARM_UP_SECONDS)
    for one in asking:
        one.seconds.clear()
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - began
    answered = [each for one in asking for each in one.seconds]
    for one in asking:
        one.stop()
    await asyncio.wait([one.over for one in asking], timeout=SECONDS_TO_ANSWER)
    wrong = next((one.wrong for one in asking if one.wrong), b"")
    assert not wrong, f"{path}: {wrong!r}"
    assert len(answered) > 1, f"{path}: no answers"
    return Rate(len(answered) / took, statistics.quantiles(answered, n=100)[98] * 1000)
