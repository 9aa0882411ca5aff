"""Query: the language in which jobs are searched for, as values. Pure; search.py finds what a query means.

    state:failed,cancelled type:email error:SMTPError place:app.py:12 "mailbox full" title:invoice priority:<0 age>1h
    ended<10m customer:42 id:7 data:word

A word alone is the beginning of a word in the job's title, error or searchable fields, of its type, or its whole id;
with `*` behind it a value is a beginning as well (`customer:4*`). All that is said must hold.
"""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, NoReturn

import msgspec

from barq.errors import InvalidType, InvalidValue, shown
from barq.options import MOST_PRIORITY, PRIORITIES
from barq.states import State
from barq.words import FIELD, RESERVED, words_of

LONGEST_QUERY: Final = 1000
MOST_WORDS_ASKED: Final = 16

_UNITS_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_DURATION: Final = re.compile(r"(\d{1,10}(?:\.\d{1,3})?)(ms|s|m|h|d|w)")
_TERM: Final = re.compile(rf"({FIELD.pattern})(:[<>]=?|[<>]=?|:)")
_PLAIN: Final = re.compile(r"""[^\s"\\<>(),*]+""")
_ALONE: Final = re.compile(r"\w+")
_LARGEST_MS: Final = 2**53


class Word(msgspec.Struct, frozen=True):
    """A word of the index: in `field` ('' = in any), as a whole or, with `prefix`, its beginning."""

    field: str
    value: bytes
    prefix: bool


class Phrase(msgspec.Struct, frozen=True):
    """Words that follow one another in the text of a field ('' = of any)."""

    field: str
    words: tuple[bytes, ...]
    prefix: bool


class Name(msgspec.Struct, frozen=True):
    """A type, or with `prefix` how it begins."""

    text: str
    prefix: bool = False

    def fits(self, name: str) -> bool:
        return name.startswith(self.text) if self.prefix else name == self.text


class Span(msgspec.Struct, frozen=True):
    """From `least` to `most`, both included; None = no bound."""

    least: int | None = None
    most: int | None = None

    def __bool__(self) -> bool:
        return self.least is not None or self.most is not None

    def within(self, least: int | None, most: int | None) -> "Span":
        leasts = [bound for bound in (self.least, least) if bound is not None]
        mosts = [bound for bound in (self.most, most) if bound is not None]
        return Span(max(leasts, default=None), min(mosts, default=None))


class Query(msgspec.Struct, frozen=True):
    """What jobs must be like; empty = all. `age` and `ended`: ms since they were made, and since they finished."""

    text: str = ""
    ids: tuple[int, ...] = ()
    states: tuple[State, ...] = ()
    types: tuple[Name, ...] = ()
    words: tuple[Word, ...] = ()
    phrases: tuple[Phrase, ...] = ()
    data: tuple[str, ...] = ()
    priority: Span = msgspec.field(default_factory=Span)
    age: Span = msgspec.field(default_factory=Span)
    ended: Span = msgspec.field(default_factory=Span)


def where(
    *texts: str,
    state: str | Iterable[str] | None = None,
    type: str | None = None,
    id: int | Iterable[int] | None = None,
    **fields: str | int | float | bool | None,
) -> str:
    """A query made of its parts, quoted where it must be. None leaves a part out.

    >>> where("mailbox full", state="failed", type="email", error="SMTPError", place="app.py:12")
    'state:failed type:email error:SMTPError place:app.py:12 "mailbox full"'
    """
    parts = []
    lists: dict[str, Any] = {"id": id, "state": state}
    for name, several in lists.items():
        if several is not None:
            listed = [several] if isinstance(several, str | int) else list(several)
            parts.append(f"{name}:{','.join(quoted(str(one)) for one in listed)}")
    for name, value in {"type": type, **fields}.items():
        if value is not None:
            parts.append(f"{name}:{quoted(str(value).lower() if isinstance(value, bool) else str(value))}")
    return " ".join([*parts, *(text if _ALONE.fullmatch(text) else _in_quotes(text) for text in texts)])


def quoted(text: str) -> str:
    """A value as it stands behind a colon of a query: in quotes where anything in it has a meaning there.

    >>> quoted("email"), quoted('say "hi"')
    ('email', '"say \\\\"hi\\\\""')
    """
    return text if _PLAIN.fullmatch(text) else _in_quotes(text)


def _in_quotes(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def parse(text: Any) -> Query:
    """Read a query. Raises InvalidValue, which names the word, where it stands, and what is allowed."""
    if isinstance(text, Query):
        return text
    if not isinstance(text, str):
        raise InvalidType(f"a query must be text, such as 'state:failed type:email', got {shown(text)}")
    if len(text) > LONGEST_QUERY:
        raise InvalidValue(f"a query has at most {LONGEST_QUERY} characters, got {len(text)}")
    return _Reader(text).query()


# ---- reading


class _Piece(msgspec.Struct, frozen=True):
    """A value as it was read."""

    text: str
    prefix: bool


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._parts: dict[str, Any] = {}
        self._words: list[Word] = []
        self._phrases: list[Phrase] = []
        self._data: list[str] = []

    def query(self) -> Query:
        while self._skip_spaces():
            begun = self._at
            try:
                self._part(_TERM.match(self._text, begun))
            except InvalidValue as error:
                raise InvalidValue(f"{error} (at character {begun + 1} of the query)") from None
        if len(self._words) + len(self._data) > MOST_WORDS_ASKED:
            raise InvalidValue(
                f"a query has at most {MOST_WORDS_ASKED} words, got {len(self._words) + len(self._data)}"
            )
        return Query(
            text=self._text.strip(),
            words=tuple(self._words),
            phrases=tuple(self._phrases),
            data=tuple(self._data),
            **self._parts,
        )

    def _part(self, term: re.Match[str] | None) -> None:
        if term is None:
            self._text_words("", self._value("a word", several=False)[0])
        else:
            self._at = term.end()
            self._term(term[1], term[2].removeprefix(":"), term[0])

    def _term(self, name: str, operator: str, shown_as: str) -> None:
        known = name.lower() if name.lower() in RESERVED else ""
        several = known in ("id", "state", "type")
        pieces = self._value(shown_as, several=several)
        spans: dict[str, Callable[[str], Span]] = {
            "priority": partial(_priority, operator),
            "age": partial(_since, "age", operator),
            "ended": partial(_since, "ended", operator),
        }
        if known in spans:
            self._span(known, spans[known](_whole(pieces[0], known)))
        elif operator:
            raise InvalidValue(
                f"{shown_as} compares, which only priority, age and ended do: priority:<0, age>1h, ended<1d"
            )
        elif known == "data":
            self._data.append(_whole(pieces[0], known).lower())
        elif several:
            self._list(known, pieces)
        else:
            self._text_words(known or name, pieces[0])

    def _list(self, name: str, pieces: list[_Piece]) -> None:
        key = f"{name}s"
        if key in self._parts:
            raise InvalidValue(f"{name}: stands twice in the query; {name}:A,B finds either")
        read: dict[str, Callable[[_Piece], Any]] = {
            "id": _id,
            "state": _state,
            "type": lambda p: Name(p.text, p.prefix),
        }
        self._parts[key] = tuple(dict.fromkeys(map(read[name], pieces)))

    def _span(self, name: str, span: Span) -> None:
        self._parts[name] = self._parts.get(name, Span()).within(span.least, span.most)

    def _text_words(self, name: str, piece: _Piece) -> None:
        words = words_of(piece.text)
        if not words:
            raise InvalidValue(f"{piece.text!r:.80} in the query has no letter or digit to look for")
        *whole, last = words
        prefix = piece.prefix or not name  # a word alone is enough of a word as its beginning
        self._words += [Word(name, word, prefix=False) for word in whole]
        self._words.append(Word(name, last, prefix=prefix))
        if whole:
            self._phrases.append(Phrase(name, tuple(words), prefix))

    # ---- characters

    def _skip_spaces(self) -> bool:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        return self._at < len(self._text)

    def _value(self, what: str, *, several: bool) -> list[_Piece]:
        pieces: list[_Piece] = []
        while True:
            at = self._at
            quoted_ = self._text[at : at + 1] == '"'
            text = self._in_quotes() if quoted_ else self._bare(until_comma=several)
            prefix = not quoted_ and text.endswith("*")
            if quoted_ and self._text[self._at : self._at + 1] == "*":
                prefix, self._at = True, self._at + 1
            text = text[:-1] if prefix and not quoted_ else text
            if not text:
                raise InvalidValue(
                    f"{what} in the query needs a value behind it" + (" and behind a comma" * bool(pieces))
                )
            pieces.append(_Piece(text, prefix))
            follows = self._text[self._at : self._at + 1]
            if several and follows == ",":
                self._at += 1
                continue
            if follows and not follows.isspace():
                raise InvalidValue(
                    f"a space must stand behind {self._text[at : self._at]:.80} in the query, not {follows!r}"
                )
            return pieces

    def _bare(self, *, until_comma: bool) -> str:
        begun = self._at
        while self._at < len(self._text):
            char = self._text[self._at]
            if char.isspace() or char == '"' or (until_comma and char == ","):
                break
            self._at += 1
        return self._text[begun : self._at]

    def _in_quotes(self) -> str:
        begun = self._at
        found: list[str] = []
        self._at += 1
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == '"':
                self._at += 1
                return "".join(found)
            if char == "\\" and self._at + 1 < len(self._text):
                self._at += 1
                char = self._text[self._at]
            found.append(char)
            self._at += 1
        raise InvalidValue(f"the quote of {self._text[begun:]:.80} is not closed")


def _whole(piece: _Piece, name: str) -> str:
    if piece.prefix:
        raise InvalidValue(f"{name}: takes no * behind its value")
    return piece.text


def _id(piece: _Piece) -> int:
    text = _whole(piece, "id")
    if not (text.isascii() and text.isdecimal() and 1 <= len(text) <= 16 and 1 <= int(text) <= 2**53):
        raise InvalidValue(f"id must be a whole number from 1, or several as id:7,8, got {text!r:.80}")
    return int(text)


def _state(piece: _Piece) -> State:
    try:
        return State(_whole(piece, "state").lower())
    except ValueError:
        raise InvalidValue(f"state must be one of {', '.join(State)}, got {piece.text!r:.80}") from None


def _priority(operator: str, text: str) -> Span:
    sign = text.removeprefix("-")
    if text.lower() in PRIORITIES:
        number = PRIORITIES[text.lower()]
    elif sign.isascii() and sign.isdecimal() and len(sign) <= 16 and int(sign) < MOST_PRIORITY:
        number = int(text)
    else:
        _refuse("priority", text, f"{', '.join(PRIORITIES)} or a whole number: priority:high, priority:<0")
    return _span(operator, number)


def _since(name: str, operator: str, text: str) -> Span:
    """`>1h`: longer ago than that."""
    read = _DURATION.fullmatch(text.lower())
    if not operator or read is None:
        _refuse(name, f"{operator}{text}", f"< or > and a number with ms, s, m, h, d or w: {name}<10m, {name}>1d")
    ms = min(round(float(read[1]) * _UNITS_MS[read[2]]), _LARGEST_MS)
    return _span(operator, ms)


def _span(operator: str, number: int) -> Span:
    match operator:
        case "<":
            return Span(most=number - 1)
        case "<=":
            return Span(most=number)
        case ">":
            return Span(least=number + 1)
        case ">=":
            return Span(least=number)
        case _:
            return Span(number, number)


def _refuse(name: str, given: str, allowed: str) -> NoReturn:
    raise InvalidValue(f"{name} in a query must be {allowed}; got {given!r:.80}")
