"""Words: what of a job is put into the search index, and how a text becomes words. Pure; lua/steps/erring.lua does the same.

A word is what stands between spaces, cut to 64 bytes, without punctuation around it, in lower case (of ASCII). The index
holds terms, each a word and its field, `WORD \\0 FIELD`: words of a title, of fields declared as searchable, of errors.
"""

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from barq.errors import InvalidPayload, InvalidType, InvalidValue, shown

LONGEST_WORD: Final = 64
MOST_WORDS: Final = 12
"""Of a title, of a searchable field, of an error's message: the first ones that differ."""
MOST_FIELDS: Final = 8

RESERVED: Final = (
    "id",
    "type",
    "state",
    "priority",
    "age",
    "ended",
    "title",
    "error",
    "place",
    "message",
    "data",
)
"""Words of the query language, which no searchable field can be called."""

FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*")
_PUNCTUATION: Final = string.punctuation.encode()
_CONTROLS: Final = bytes(32 if code < 32 or code == 127 else code for code in range(256))


def words_of(text: str) -> list[bytes]:
    """All words of a text, in order.

    >>> words_of("Mailbox full: a@b.c!")
    [b'mailbox', b'full', b'a@b.c']
    """
    found = text.encode("utf-8", "replace").translate(_CONTROLS).lower().split()
    stripped = (word[:LONGEST_WORD].strip(_PUNCTUATION) for word in found)
    return [word for word in stripped if word]


def terms_of(field: str, text: str) -> list[bytes]:
    """What of a text is in the index.

    >>> terms_of("title", "Invoice 7, invoice 8")
    [b'invoice\\x00title', b'7\\x00title', b'8\\x00title']
    """
    distinct = list(dict.fromkeys(words_of(text)))[:MOST_WORDS]
    return [word + b"\0" + field.encode() for word in distinct]


def searchable(index: Sequence[str], data: Any) -> Iterable[tuple[str, str]]:
    """(field, text) of the fields of a job's data that are declared as searchable, as far as they are there.

    Raises InvalidPayload.
    """
    for field in index:
        value: Any = data
        for key in field.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        for item in value if isinstance(value, list | tuple) else [value]:
            match item:
                case None:
                    pass
                case bool():
                    yield field, str(item).lower()
                case str() | int() | float():
                    yield field, str(item)
                case _:
                    raise InvalidPayload(
                        f"{field} is to be searchable, so it must be text, a number, true, false or a list of these, "
                        f"got {shown(item)}"
                    )


def asked_terms(title: str | None, index: Sequence[str], data: Any) -> bytes:
    """The terms of a job as the enqueue script takes them: of its title and of its searchable fields."""
    terms = [] if title is None else terms_of("title", title)
    if index:
        texts: dict[str, list[str]] = {}
        for field, text in searchable(index, data):
            texts.setdefault(field, []).append(text)
        for field, found in texts.items():
            terms += terms_of(field, " ".join(found))
    return b"\n".join(terms)


def index_fields(value: Any) -> tuple[str, ...]:
    """Check the names of searchable fields. Raises InvalidValue or InvalidType."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidType(f'index must be a tuple of names of fields, such as ("customer",), got {shown(value)}')
    fields = tuple(dict.fromkeys(value))
    for field in fields:
        if not isinstance(field, str) or not FIELD.fullmatch(field) or len(field) > LONGEST_WORD:
            raise InvalidValue(
                f"a name in index must be letters, digits, _ or - (a.b for b inside of a), got {shown(field)}"
            )
        if field.lower() in RESERVED:
            raise InvalidValue(
                f"index can't have a field {field!r}: the language of queries has its own {field.lower()}:"
            )
    if len(fields) > MOST_FIELDS:
        raise InvalidValue(f"index takes at most {MOST_FIELDS} fields, got {len(fields)}")
    return fields
