"""RESP: what a server answers, as values that keep their kind. For talk.py; the engine's link reads with hiredis.

hiredis hands out `OK` and `"OK"` as the same bytes, so a client that shows answers to people can't use it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MAX_DEPTH: Final = 100


@dataclass(frozen=True, slots=True)
class Status:
    """`OK` and the like: a word of the server's own."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """An error, with its code in front."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Double:
    text: bytes


@dataclass(frozen=True, slots=True)
class BigNumber:
    text: bytes


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Text that is meant to be shown as it is."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Set:
    items: "list[Value]"


@dataclass(frozen=True, slots=True)
class Push:
    """What the server says unasked, such as a message of a channel."""

    items: "list[Value]"


@dataclass(frozen=True, slots=True)
class Map:
    pairs: "list[tuple[Value, Value]]"


Value = bytes | int | bool | None | list["Value"] | Status | Failure | Double | BigNumber | Verbatim | Set | Push | Map


def encoded(*words: bytes) -> bytes:
    """A command as it is sent."""
    return b"*%d\r\n%b" % (len(words), b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words))


class Reader:
    """Takes values off a connection. `receive` blocks for some more bytes, and returns none at the connection's end."""

    def __init__(self, receive: Callable[[], bytes]) -> None:
        self._receive = receive
        self._buffer = bytearray()

    def feed(self, more: bytes) -> None:
        self._buffer += more

    def read(self, depth: int = 0) -> Value:
        """The next value. Raises ConnectionError when the connection ends, or when it is no server that answers."""
        if depth > MAX_DEPTH:
            raise ConnectionError(f"its answer is nested more than {MAX_DEPTH} deep")
        line = self._take_line()
        kind, rest = line[:1], line[1:]
        try:
            return self._value(kind, rest, depth)
        except ValueError:
            raise _no_redis() from None

    def _value(self, kind: bytes, rest: bytes, depth: int) -> Value:
        match kind:
            case b"+":
                return Status(rest)
            case b"-":
                return Failure(rest)
            case b":":
                return int(rest)
            case b"$":
                return self._take_text(int(rest))
            case b"*":
                return self._take_items(int(rest), depth) if int(rest) >= 0 else None
            case b"_":
                return None
            case b"#":
                return rest == b"t"
            case b",":
                return Double(rest)
            case b"(":
                return BigNumber(rest)
            case b"!":
                return Failure(self._take_text(int(rest)) or b"")
            case b"=":
                return Verbatim((self._take_text(int(rest)) or b"")[4:])  # behind its format, such as `txt:`
            case b"~":
                return Set(self._take_items(int(rest), depth))
            case b">":
                return Push(self._take_items(int(rest), depth))
            case b"%":
                return Map(self._take_pairs(int(rest), depth))
            case b"|":  # remarks on the value that follows
                self._take_pairs(int(rest), depth)
                return self.read(depth + 1)
            case _:
                raise _no_redis()

    def _take_items(self, count: int, depth: int) -> list[Value]:
        return [self.read(depth + 1) for _ in range(count)]

    def _take_pairs(self, count: int, depth: int) -> list[tuple[Value, Value]]:
        return [(self.read(depth + 1), self.read(depth + 1)) for _ in range(count)]

    def _take_text(self, length: int) -> bytes | None:
        return None if length < 0 else self._take(length + 2)[:-2]

    def _take_line(self) -> bytes:
        searched = 0
        while (end := self._buffer.find(b"\r\n", searched)) < 0:
            searched = max(0, len(self._buffer) - 1)
            self._more()
        return self._take(end + 2)[:-2]

    def _take(self, length: int) -> bytes:
        while len(self._buffer) < length:
            self._more()
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        return taken

    def _more(self) -> None:
        more = self._receive()
        if not more:
            raise ConnectionResetError("the server closed the connection")
        self._buffer += more


def _no_redis() -> ConnectionError:
    return ConnectionError("it does not speak the Redis protocol")
