"""Talk: one bare connection for the few commands that start, find and stop a server. Not for jobs; see link.py.

It does without the redis package: importing that takes more than twice as long as starting a server.
"""

import socket
from types import TracebackType
from typing import Self

from barq.errors import ServerError

Reply = str | int | list["Reply"] | None


class Wire:
    """One blocking connection that sends a command and reads its answer."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._answers = connection.makefile("rb")

    @classmethod
    def dial(cls, host: str, port: int, *, timeout: float) -> Self:
        return cls(socket.create_connection((host, port), timeout))

    @classmethod
    def dial_path(cls, path: str, *, timeout: float) -> Self:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        try:
            connection.connect(path)
        except BaseException:
            connection.close()
            raise
        return cls(connection)

    def ask(self, *words: str) -> Reply:
        """Send one command. Raises ServerError for an error answer and OSError when the connection is lost."""
        parts = [word.encode() for word in words]
        body = b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
        self._connection.sendall(b"*%d\r\n%b" % (len(parts), body))
        return self._read()

    def info(self) -> dict[str, str]:
        lines = str(self.ask("INFO")).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def settings(self, *names: str) -> dict[str, str]:
        answer = self.ask("CONFIG", "GET", *names)
        words = [str(word) for word in answer] if isinstance(answer, list) else []
        return dict(zip(words[::2], words[1::2], strict=True))

    def _read(self) -> Reply:
        line = self._answers.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError("the server closed the connection")
        kind, text = line[:1], line[1:-2].decode(errors="replace")
        match kind:
            case b"+":
                return text
            case b"-":
                raise ServerError(text)
            case b":":
                return int(text)
            case b"$":
                return self._read_text(int(text))
            case b"*":
                return [self._read() for _ in range(int(text))]
            case _:
                raise ConnectionError("it does not speak the Redis protocol")

    def _read_text(self, length: int) -> str | None:
        if length < 0:
            return None
        data = self._answers.read(length + 2)
        if len(data) < length + 2:
            raise ConnectionResetError("the server closed the connection")
        return data[:-2].decode(errors="replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answers.close()
        self._connection.close()
