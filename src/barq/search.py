"""Search: which calls a query needs, as generators that yield each call and are sent its reply. Beside listing.py; no I/O.

A query is answered from the smallest part of all jobs that must hold what it asks for: single ids, a word's jobs in the
index, or the lines of its states and types. The server leaves out what does not fit; what no index has (the order of words,
data) is looked for here, in what is left.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from barq.errors import InvalidType, InvalidValue, NoSuchPage, shown
from barq.listing import Exchange, all_types
from barq.outcome import decode_error
from barq.protocol import calls, finding
from barq.protocol.calls import MOST_PER_CALL, Space, TypeCounts
from barq.protocol.finding import Find, Found, Part, Wants
from barq.query import Phrase, Query, Word
from barq.record import Described
from barq.states import FINISHED, State, sources
from barq.words import searchable, words_of

LOOKS: Final = 1_000
"""Jobs that one call looks at: 5 to 10 ms of the server's time."""
MOST_LOOKED_AT: Final = 4_000
"""Jobs that one page looks at. Who wants more goes on with the page's `next`."""
MOST_READ: Final = 1_000
"""Jobs that one page reads when it looks for what no index has."""
MOST_COUNTED: Final = 200_000
FEW: Final = 1_000
"""A word with so few jobs is taken without asking how many jobs the lines have."""

Data = Callable[[Described], Any]
"""Reads the data of a job, as those who search may see it."""


class Walked(msgspec.Struct, frozen=True):
    """What was found, and what to pass as `after` to go on; None = that was all."""

    jobs: Sequence[Described]
    ids: Sequence[int]
    count: int
    next: str | None


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended: for which query, in which part, behind what."""

    query: int
    driver: int
    source: str
    type: str
    state: str
    at: str


class Counted(int):
    """How many jobs a query finds; `exact` is False when there are more, which nobody has counted."""

    exact: bool

    def __new__(cls, number: int, *, exact: bool = True) -> "Counted":
        made = super().__new__(cls, number)
        made.exact = exact
        return made


# ---- walking


def walk(
    space: Space,
    query: Query,
    *,
    now_ms: int,
    wants: Wants,
    limit: int,
    data: Data,
    after: str | None = None,
    looks: int = MOST_LOOKED_AT,
    id_most: int | None = None,
) -> Exchange[Walked]:
    """Go through the parts until `limit` jobs are found or so many were looked at."""
    place = _place(after, query) if after is not None else None
    narrowed = _narrowed(query)
    if narrowed is None:
        return Walked((), (), 0, None)
    reads = bool(query.phrases or query.data)
    wants = "jobs" if reads else wants
    reads_left = MOST_READ
    driver, parts = yield from _parts(space, narrowed, place)
    found = _Found([], [], 0)
    for at, part in enumerate(parts):
        behind = place.at.encode("latin-1") if place is not None and _order(place) == _order(part) else b""
        more = True
        while more:
            if found.count >= limit or looks <= 0 or reads_left <= 0:
                return found.walked(_next(query, driver, part, behind))
            most = limit - found.count if wants == "count" else min(limit - found.count, MOST_PER_CALL)
            one = Find(
                narrowed, part, wants, behind, MOST_PER_CALL if reads else most, min(LOOKS, looks), now_ms, id_most
            )
            got: Found = yield finding.find(space, one)
            kept = [i for i, job in enumerate(got.jobs) if not reads or _holds_all(query, job, data)]
            if len(kept) > most:
                found.add_jobs([got.jobs[i] for i in kept[:most]])
                return found.walked(_next(query, driver, part, got.places[kept[most - 1]]))
            if wants == "jobs":
                found.add_jobs([got.jobs[i] for i in kept])
            else:
                found.ids += got.ids
                found.count += got.count
            behind, more = got.place, got.more
            looks, reads_left = looks - got.looked, reads_left - (len(got.jobs) if reads else 0)
        if at + 1 < len(parts) and found.count >= limit:
            return found.walked(_next(query, driver, parts[at + 1], b""))
    return found.walked(None)


@dataclass(slots=True)
class _Found:
    """What a walk has found so far."""

    jobs: list[Described]
    ids: list[int]
    count: int

    def add_jobs(self, jobs: list[Described]) -> None:
        self.jobs += jobs
        self.ids += [job.id for job in jobs]
        self.count += len(jobs)

    def walked(self, next: str | None) -> Walked:
        return Walked(self.jobs, self.ids, self.count, next)


def count(space: Space, query: Query, *, now_ms: int, data: Data) -> Exchange[Counted]:
    """How many jobs fit: from what the server counts anyway where that is enough, else by looking at them."""
    if query == Query(text=query.text, states=query.states, types=query.types):
        counts = yield from _counts(space, query)
        return Counted(sum(counts[type_][state] for type_ in counts for state in _states(query)))
    if len(query.words) == 1 and query == Query(text=query.text, words=query.words) and _asked(query.words[0]):
        (number,) = yield finding.gauge(space, query.words)
        return Counted(number)
    found = yield from walk(space, query, now_ms=now_ms, wants="count", limit=2**53, data=data, looks=MOST_COUNTED)
    return Counted(found.count, exact=found.next is None)


def _asked(word: Word) -> bool:
    """A job has such a word at most once, and as long as it is there."""
    return not word.prefix and word.field not in ("", "error", "place", "message")


def for_act(verb: str, query: Query) -> Query:
    """The query of those that the act may take: a retry takes completed jobs only when they are asked for."""
    if verb not in ("retry", "cancel", "promote", "remove"):
        raise InvalidValue(f"an act is retry, cancel, promote or remove, got {shown(verb)}")
    if query == Query(text=query.text):
        raise InvalidValue(f"{verb} needs a query that says which jobs; age>0s is all of them")
    allowed = sources("promotion") if verb == "promote" else sources(verb)
    if query.states:
        if refused := set(query.states) - allowed:
            raise InvalidValue(
                f"{verb} takes only {' or '.join(sorted(allowed))} jobs, and the query asks for {', '.join(sorted(refused))}"
            )
        return query
    if verb == "retry":
        allowed -= {State.COMPLETED}
    return msgspec.structs.replace(query, states=tuple(state for state in State if state in allowed))


# ---- parts


def _parts(space: Space, query: Query, place: Place | None) -> Exchange[tuple[int, list[Part]]]:
    """The parts to go through, and the number of the word that they are there for (0 = lines, -1 = ids)."""
    if query.ids:
        return -1, [Part("ids", ids=query.ids)]
    driver = place.driver if place is not None else None
    if driver is not None and not 0 <= driver <= len(query.words):
        raise NoSuchPage("after is the `next` of a page with another query")
    counts: dict[str, dict[str, int]] | None = None
    if driver is None:
        driver, counts = yield from _choice(space, query)
    if driver and query.words[driver - 1].field:
        parts = [_in_index(query.words[driver - 1], driver)]
    else:
        counts = (yield from _counts(space, query)) if counts is None else counts
        parts = list(_with_lines(query, driver, counts))
    return driver, [part for part in parts if place is None or _order(part) >= _order(place)]


def _choice(space: Space, query: Query) -> Exchange[tuple[int, dict[str, dict[str, int]] | None]]:
    """The word with the fewest jobs, or 0 when the lines have fewer."""
    if not query.words:
        return 0, None
    sizes = yield finding.gauge(space, query.words)
    best = min((size, number) for number, size in enumerate(sizes, 1))
    if query.words[best[1] - 1].field and best[0] <= FEW:
        return best[1], None
    counts = yield from _counts(space, query)
    costs = [(sum(counts[type_][state] for type_ in counts for state in _states(query)), 0)]
    for number, (word, size) in enumerate(zip(query.words, sizes, strict=True), 1):
        named = [type_ for type_ in counts if not word.field and _names(word, type_)]
        costs.append((size + sum(counts[type_][state] for type_ in named for state in _states(query)), number))
    return min(costs)[1], counts


def _in_index(word: Word, driver: int) -> Part:
    low, high = finding.range_of(word)
    return Part("terms", driver, low=low, high=high)


def _with_lines(query: Query, driver: int, counts: dict[str, dict[str, int]]) -> Iterator[Part]:
    """Lines of the states and types; those of a word alone come behind the job with that id and its jobs in the index."""
    word = query.words[driver - 1] if driver else None
    if word is not None:
        if word.value.isdigit() and len(word.value) <= 16 and 1 <= int(word.value) <= 2**53:
            yield Part("ids", driver, ids=(int(word.value),))
        yield _in_index(word, driver)
    for type_ in sorted(counts):
        if word is not None and not _names(word, type_):
            continue
        for state in _states(query):
            if counts[type_][state]:
                low, high = _bounds(query, state)
                yield Part("line", driver, type_, state, low=low, high=high)


def _bounds(query: Query, state: State) -> tuple[bytes, bytes]:
    """Of the score of a line, where that is known before the script runs."""
    if state is State.WAITING:
        span = query.priority
        return (
            b"-inf" if span.least is None else b"%d" % span.least,
            b"+inf" if span.most is None else b"%d" % span.most,
        )
    return b"-inf", b"+inf"


def _counts(space: Space, query: Query) -> Exchange[dict[str, dict[str, int]]]:
    """Type -> state -> how many jobs, of the types that the query allows."""
    if query.types and not any(name.prefix for name in query.types):
        _, rows = yield calls.counts(space, [name.text for name in query.types])
        found: Iterable[TypeCounts] = rows
    else:
        every = yield from all_types(space)
        found = (row for row in every.values() if not query.types or any(name.fits(row.type) for name in query.types))
    return {row.type: dict(row.counts) for row in found}


def _names(word: Word, type: str) -> bool:
    """As find.lua has it."""
    name = type.encode().lower()
    return name == word.value or (word.prefix and name.startswith(word.value))


def _states(query: Query) -> Sequence[State]:
    return query.states or tuple(State)


def _narrowed(query: Query) -> Query | None:
    """The query with the states that can fit; None when none can."""
    if not query.ended:
        return query
    states = tuple(state for state in _states(query) if state in FINISHED)
    return msgspec.structs.replace(query, states=states) if states else None


# ---- places


def _next(query: Query, driver: int, part: Part, at: bytes) -> str:
    place = Place(_check(query), driver, part.source, part.type, part.state or "", at.decode("latin-1"))
    return msgspec.json.encode(place).decode()


def _place(after: Any, query: Query) -> Place:
    try:
        place = msgspec.json.decode(after, type=Place)
        place.at.encode("latin-1")
    except (msgspec.DecodeError, msgspec.ValidationError, TypeError, ValueError):
        raise NoSuchPage(f"after must be the `next` of a page, got {shown(after)}") from None
    if place.query != _check(query):
        raise NoSuchPage("after is the `next` of a page with another query")
    return place


def _check(query: Query) -> int:
    return zlib.crc32(repr(msgspec.structs.replace(query, text="")).encode())


_SOURCES: Final = ("ids", "terms", "line")
_ORDER_OF_STATES: Final = {"": -1, **{str(state): at for at, state in enumerate(State)}}


def _order(one: Part | Place) -> tuple[int, str, int]:
    """Parts come in this order, so that a page goes on behind a part that is not there any more."""
    if one.source not in _SOURCES or (one.state or "") not in _ORDER_OF_STATES:
        raise NoSuchPage("after must be the `next` of a page")
    return _SOURCES.index(one.source), one.type, _ORDER_OF_STATES[one.state or ""]


# ---- what no index has


def _holds_all(query: Query, job: Described, data: Data) -> bool:
    texts = None
    if query.data:
        text = msgspec.json.encode(data(job), enc_hook=repr).decode().lower()
        if not all(word in text for word in query.data):
            return False
    if query.phrases:
        texts = _texts(job, data)
    return all(_holds(phrase, texts or {}) for phrase in query.phrases)


def _holds(phrase: Phrase, texts: dict[str, str]) -> bool:
    among = texts.values() if not phrase.field else [texts.get(phrase.field, "")]
    return any(_follow(words_of(text), phrase) for text in among)


def _follow(words: list[bytes], phrase: Phrase) -> bool:
    *whole, last = phrase.words
    for at in range(len(words) - len(whole)):
        end = words[at + len(whole)]
        if words[at : at + len(whole)] == whole and (end.startswith(last) if phrase.prefix else end == last):
            return True
    return False


def _texts(job: Described, data: Data) -> dict[str, str]:
    """Field -> text of a job, as it is in the index."""
    options = job.record.options
    texts = {"title": options.title or "", "type": job.record.type}
    if options.index:
        try:
            for field, text in searchable(options.index, data(job)):
                texts[field] = f"{texts.get(field, '')} {text}"
        except (InvalidValue, InvalidType):
            pass  # its data has become something else, or is not to be seen here
    if job.status.ending is not None and job.status.state is not State.COMPLETED and job.status.ending.body:
        error = decode_error(job.status.ending.body)
        place = getattr(error, "place", None) or ""
        texts |= {"error": error.type, "message": error.message, "place": place}
    return texts
