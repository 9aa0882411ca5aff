"""An HTTP service of the examples as a process, and asking it: once, or many times at once."""

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from typing import Any, Self

import httpx

from tests.examples.program import Program
from tests.support import wait_until

SECONDS_TO_ANSWER = 2.0


class Service(Program):
    """Listens on a port of 127.0.0.1 that it finds free, and says which."""

    url = ""
    port = 0

    def __init__(self, file: str, redis_port: int, *arguments: str) -> None:
        super().__init__(file, redis_port, "--port", "0", *arguments)
        self.client = httpx.Client(timeout=5)

    def __exit__(self, *_: object) -> None:
        self.client.close()
        super().__exit__()

    def listens(self) -> Self:
        """Wait until it answers at all."""
        wait_until(lambda: self._said_where() or self.process.poll() is not None, f"{self.file} listens")
        assert self.process.poll() is None, self.errors
        self.url = self._said_where()
        self.port = int(self.url.rpartition(":")[2])
        self.client.base_url = httpx.URL(self.url)
        return self

    def _said_where(self) -> str:
        found = re.search(r"running on (http://[\d.:]+)", "\n".join(self.errors))
        return found[1] if found else ""

    def is_ready(self, path: str) -> Self:
        """Wait until it has an answer to that, which needs Redis."""
        wait_until(lambda: self._code(path) == 200, f"{self.file} answers {path}")
        return self

    def get(self, path: str, *, key: str | None = None) -> Any:
        """The answer to a GET that succeeds, as it came."""
        answer = self.client.get(path, headers={} if key is None else {"Idempotency-Key": key})
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        assert answer.headers["content-type"] == "application/json"
        return answer.text

    def is_without_redis(self, path: str) -> dict[str, str]:
        """The answer while Redis is away: a 503, in time."""
        began = time.monotonic()
        answer = self.client.get(path)
        assert time.monotonic() - began < SECONDS_TO_ANSWER
        assert answer.status_code == 503, (path, answer.text)
        assert answer.headers["content-type"] == "application/json"
        said: dict[str, str] = answer.json()
        return said

    def _code(self, path: str) -> int:
        try:
            return self.client.get(path).status_code
        except httpx.TransportError:
            return 0


Start = Callable[..., Service]


def starting(file: str, redis_port: int) -> Iterable[Start]:
    """For fixtures: a function that starts another process of a service; all end with the test."""
    with ExitStack() as stack:
        yield lambda *arguments, port=redis_port: stack.enter_context(Service(file, port, *arguments))


# A client for each who asks: one for all looks through all of its connections for each request.


async def ask_all(services: list[Service], path: str, *, times: int) -> list[dict[str, Any]]:
    """So many requests at once, dealt out to the services; each is repeated with its key until it is answered."""

    async def ask(number: int) -> dict[str, Any]:
        url, headers = services[number % len(services)].url + path, {"Idempotency-Key": f"request-{number}"}
        deadline = time.monotonic() + 60
        async with httpx.AsyncClient(timeout=5, headers=headers) as client:
            while time.monotonic() < deadline:
                with suppress(httpx.TransportError):
                    answer = await client.get(url)
                    if answer.status_code != 503:
                        assert answer.status_code == 200, answer.text
                        said: dict[str, Any] = answer.json()
                        return said
                await asyncio.sleep(0.05)
        raise AssertionError(f"no answer to {url}")

    return await asyncio.gather(*(ask(number) for number in range(times)))


async def ask_once(services: list[Service], path: str, *, times: int) -> list[dict[str, Any]]:
    """The same without keys, where everything has to be answered at the first time."""

    async def ask(number: int) -> httpx.Response:
        async with httpx.AsyncClient(timeout=20) as client:
            return await client.get(services[number % len(services)].url + path)

    answers = await asyncio.gather(*(ask(number) for number in range(times)))
    assert {answer.status_code for answer in answers} == {200}
    return [answer.json() for answer in answers]
