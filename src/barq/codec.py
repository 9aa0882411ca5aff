"""Codec: data of a job to bytes and back. What would come back changed is refused at the enqueue, never at the worker."""

import math
from typing import Any, Protocol

import msgspec

from barq.errors import InvalidPayload, shown

DEEPEST = 500
"""The readers of both sides take recursion from the same 1,000 frames as the code around them."""
LARGEST_WHOLE = 2**53

_ALL_ZERO = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * 16

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Codec(Protocol):
    """What a queue needs to store data. `encode` raises InvalidPayload for what it can't carry unchanged."""

    def encode(self, value: Any) -> bytes: ...

    def decode(self, payload: bytes) -> Any: ...


class JsonCodec:
    """JSON: None, bool, int (up to 2^53), float (finite), str, and lists and dicts with string keys of these.

    >>> JsonCodec().encode({"to": "a@b.c"})
    b'{"to":"a@b.c"}'
    """

    def encode(self, value: Any) -> bytes:
        try:
            payload = _encode(value)
            # what reads back equal needs no walk; numbers above 2^53 do, as JSON readers elsewhere round them
            if (
                _decode(payload) == value
                and payload.translate(_ALL_ZERO).find(_LONG_NUMBER) < 0  # `in` would take twice the time
                and (len(payload) < DEEPEST or payload.count(b"[") + payload.count(b"{") < DEEPEST)
            ):
                return payload
        except (TypeError, ValueError, OverflowError, RecursionError):
            pass  # the walk names the place
        _walk(value)
        try:
            return msgspec.json.encode(value, enc_hook=_without_subclass)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidPayload(f"data can't be sent: {error}") from None

    def decode(self, payload: bytes) -> Any:
        return _decode(payload)


def _without_subclass(value: object) -> object:
    """numpy.float64, for example, is a float to everybody but the encoder."""
    match value:
        case str():
            return str.__str__(value)
        case int():
            return int.__int__(value)
        case float():
            return float.__float__(value)
        case _:
            raise TypeError(f"{type(value).__name__} is not JSON")


def _walk(root: object) -> None:
    """Raise InvalidPayload for the first value that JSON can't carry unchanged."""
    rest: list[tuple[object, str, int]] = [(root, "data", 1)]
    while rest:
        value, place, depth = rest.pop()
        if depth > DEEPEST:
            raise InvalidPayload(f"data is nested more than {DEEPEST} deep: flatten it")
        match value:
            case None | bool():
                pass
            case str():
                _check_text(value, place)
            case int():
                if abs(value) > LARGEST_WHOLE:
                    raise InvalidPayload(
                        f"{place} is a whole number beyond 2^53, got {shown(value)}: send it as a string"
                    )
            case float():
                if not math.isfinite(value):
                    raise InvalidPayload(f"{place} must be a finite number, got {value!r}")
            case dict():
                for key, item in value.items():
                    if not isinstance(key, str):
                        raise InvalidPayload(f"keys in {place} must be strings, got {shown(key)}")
                    _check_text(key, f"a key in {place}")
                    rest.append((item, f"{place}[{key!r}]" if len(place) < 200 else place, depth + 1))
            case list() | tuple():
                rest.extend(
                    (item, f"{place}[{i}]" if len(place) < 200 else place, depth + 1) for i, item in enumerate(value)
                )
            case _:
                raise InvalidPayload(
                    f"{place} must be JSON (None, bool, number, str, list or dict), got {type(value).__name__}: "
                    "convert it, or use @queue.task, which converts by annotations"
                )


def _check_text(text: str, place: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidPayload(f"{place} holds a lone surrogate, which is not text: {text[:80]!r}") from None
