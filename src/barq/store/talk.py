"""Talk: one bare connection for the few commands that start, find, stop or look at a server. Not for jobs; see link.py.

It does without the redis package: importing that takes more than twice as long as starting a server.
"""

import socket
import ssl
from types import TracebackType
from typing import Self

from barq.errors import ServerError
from barq.store.resp import Failure, Reader, Status, Value, encoded

Reply = str | int | list["Reply"] | None


class Wire:
    """One blocking connection that sends a command and reads its answer. `name` is how people name its other end."""

    def __init__(self, connection: socket.socket, name: str = "") -> None:
        self.name = name
        self._connection = connection
        self._reader = Reader(lambda: connection.recv(65536))

    @classmethod
    def dial(cls, host: str, port: int, *, timeout: float) -> Self:
        return cls(socket.create_connection((host, port), timeout), named(host, port))

    @classmethod
    def dial_path(cls, path: str, *, timeout: float) -> Self:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        try:
            connection.connect(path)
        except BaseException:
            connection.close()
            raise
        return cls(connection, path)

    def ask(self, *words: str) -> Reply:
        """Send one command. Raises ServerError for an error answer and OSError when the connection is lost."""
        self.send(*(word.encode() for word in words))
        return _text(self.read())

    def send(self, *words: bytes) -> None:
        self._connection.sendall(encoded(*words))

    def read(self) -> Value:
        """The next answer as it came, an error as well. Raises OSError when the connection is lost."""
        return self._reader.read()

    def wait_for(self, seconds: float | None) -> None:
        """How long to wait for answers from now on; None: until they come, or the other end is gone."""
        self._connection.settimeout(seconds)
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def is_open(self) -> bool:
        """Whether the other end has not hung up, as far as is known here."""
        seconds = self._connection.gettimeout()
        self._connection.settimeout(0)
        try:
            more = self._connection.recv(65536)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        finally:
            self._connection.settimeout(seconds)
        self._reader.feed(more)
        return bool(more)

    def info(self) -> dict[str, str]:
        lines = str(self.ask("INFO")).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def settings(self, *names: str) -> dict[str, str]:
        answer = self.ask("CONFIG", "GET", *names)
        words = [str(word) for word in answer] if isinstance(answer, list) else []
        return dict(zip(words[::2], words[1::2], strict=True))

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def named(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _text(value: Value) -> Reply:
    match value:
        case Failure(text):
            raise ServerError(text.decode(errors="replace"))
        case Status(text) | bytes(text):
            return text.decode(errors="replace")
        case int() | None:
            return value
        case list():
            return [_text(item) for item in value]
        case _:
            raise ConnectionError("it does not speak RESP2")
