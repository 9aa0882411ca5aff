"""Form: an answer as text. For people as redis-cli writes it on a terminal, and raw for programs."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from barq.store.resp import BigNumber, Double, Failure, Map, Push, Set, Status, Value, Verbatim

_PLAIN: Final = {
    b"info": 1,
    b"lolwut": 1,
    b"client list": 2,
    b"client info": 2,
    b"cluster info": 2,
    b"cluster nodes": 2,
    b"latency doctor": 2,
    b"latency graph": 2,
    b"memory doctor": 2,
    b"memory malloc-stats": 2,
    b"debug htstats": 2,
    b"debug htstats-key": 2,
}
"""Commands that answer with text for people -> how many words name them."""

_NAMED: Final = {
    ord("\\"): b"\\\\",
    ord('"'): b'\\"',
    ord("\n"): b"\\n",
    ord("\r"): b"\\r",
    ord("\t"): b"\\t",
    ord("\a"): b"\\a",
    ord("\b"): b"\\b",
}
_SPECIAL: Final = re.compile(rb'[^ -~]|["\\]')
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")


def is_plain(words: Sequence[bytes]) -> bool:
    """Whether the answer to a command is text for people, to be shown without quotes."""
    return any(b" ".join(words[:count]).lower() in _PLAIN for count in (1, 2))


def formatted(value: Value, *, plain: bool = False) -> bytes:
    r"""As redis-cli shows it on a terminal. Whatever the data is, no control character gets through.

    >>> print(formatted([b"a\n", 1, None, []]).decode())
    1) "a\n"
    2) (integer) 1
    3) (nil)
    4) (empty array)
    """
    if plain and isinstance(value, bytes):
        value = Verbatim(value)
    return b"\n".join(_lines(value))


def raw(value: Value, *, plain: bool = False) -> bytes:
    """As redis-cli prints it for programs: the bytes of values as they are, those of an array a line each."""
    match value:
        case None:
            return b""
        case bytes(text) | Verbatim(text):
            return text.removesuffix(b"\n") if plain else text
        case bool():
            return b"(true)" if value else b"(false)"
        case int():
            return b"%d" % value
        case list(items) | Set(items) | Push(items):
            return b"\n".join(map(raw, items))
        case Map(pairs):
            return b"\n".join(b"%b %b" % (raw(key), raw(item)) for key, item in pairs)
        case _:
            return value.text


def _lines(value: Value) -> list[bytes]:
    match value:
        case None:
            return [b"(nil)"]
        case bytes():
            return [_quoted(value)]
        case bool():
            return [b"(true)" if value else b"(false)"]
        case int():
            return [b"(integer) %d" % value]
        case Double(text):
            return [b"(double) " + text]
        case Failure(text):
            return [b"(error) " + _clean(text)]
        case Status(text) | BigNumber(text):
            return [_clean(text)]
        case Verbatim(text):
            return _clean(text.replace(b"\r\n", b"\n").removesuffix(b"\n")).split(b"\n")
        case list(items):
            return _numbered(map(_lines, items), len(items), b")") or [b"(empty array)"]
        case Set(items):
            return _numbered(map(_lines, items), len(items), b"~") or [b"(empty set)"]
        case Push(items):
            return _numbered(map(_lines, items), len(items), b")") or [b"(empty push)"]
        case Map(pairs):
            return _numbered((_pair(key, item) for key, item in pairs), len(pairs), b"#") or [b"(empty hash)"]


def _numbered(blocks: Iterable[list[bytes]], count: int, mark: bytes) -> list[bytes]:
    width = len(str(count))
    indent = b" " * (width + 2)
    lines = []
    for number, (first, *rest) in enumerate(blocks, 1):
        lines.append(b"%*d%b %b" % (width, number, mark, first))
        lines += [indent + line for line in rest]
    return lines


def _pair(key: Value, item: Value) -> list[bytes]:
    *before, last = _lines(key)
    lines = _lines(item)
    first, *after = lines if len(lines) == 1 else [b"", *lines]
    return [*before, b"%b => %b" % (last, first), *after]


def _quoted(text: bytes) -> bytes:
    return b'"%b"' % _SPECIAL.sub(_escape, text)


def _escape(match: "re.Match[bytes]") -> bytes:
    code = match[0][0]
    return _NAMED.get(code) or b"\\x%02x" % code


def _clean(text: bytes) -> bytes:
    return _CONTROL.sub(b"?", text)
