"""Words: split a line into the words of a command, and tell which lines hold a password."""

import re
from typing import Final

# plain characters, then perhaps a quoted part, which has to end the word
_WORD: Final = re.compile(
    rb"""(?P<plain>[^\s"']*)(?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\'|\\(?!'))*)')?(?=\s|\Z)""",
    re.DOTALL,
)
_SPACE: Final = re.compile(rb"\s*")
_ESCAPE: Final = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_NAMED: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}


class BadQuotes(ValueError):
    """A quote that is not closed, or that something follows right behind."""


def split(line: bytes) -> list[bytes]:
    r"""The words of a line, quoted as for redis-cli: "…" knows \n \r \t \b \a \xHH \\ \", '…' only \'.

    >>> split(rb'set key "a b\x21" ' + b"'it\\'s'")
    [b'set', b'key', b'a b!', b"it's"]
    """
    words = []
    at = _end_of_space(line, 0)
    while at < len(line):
        match = _WORD.match(line, at)
        if match is None:
            raise BadQuotes("Invalid argument(s): a quote is not closed, or has no space behind it")
        words.append(
            match["plain"]
            + _ESCAPE.sub(_escaped, match["double"] or b"")
            + (match["single"] or b"").replace(b"\\'", b"'")
        )
        at = _end_of_space(line, match.end())
    return words


def _end_of_space(line: bytes, at: int) -> int:
    match = _SPACE.match(line, at)
    return match.end() if match else at


def _escaped(match: "re.Match[bytes]") -> bytes:
    number, letter = match.groups()
    return bytes([int(number, 16)]) if number else _NAMED.get(letter, letter)


_SECRET: Final = re.compile(
    r"""^\s*["']?(?: auth \b
        | hello \b .* \b auth \b
        | migrate \b .* \b auth2? \b
        | acl \s+ setuser \b
        | config \s+ set \b .* (?: pass | auth | user )
        | sentinel \s+ (?:set|config) \b .* (?: pass | auth | user ))""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE | re.MULTILINE,
)


def has_secret(line: str) -> bool:
    """Whether a line may hold a password; such a line goes into no history."""
    return _SECRET.search(line) is not None
