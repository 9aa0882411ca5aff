"""Search: which calls a query needs, as generators that yield each call and are sent its reply. Beside listing.py; no I/O.

parts.py says which of all jobs a query has to go through. The server leaves out what does not fit; what no index has (the
order of words, data) is looked for here, in what is left.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from barq import parts
from barq.errors import InvalidType, InvalidValue, shown
from barq.listing import Exchange
from barq.outcome import decode_error
from barq.protocol import finding
from barq.protocol.call import MOST_PER_CALL, Space
from barq.protocol.finding import Find, Found, Wants, Window
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

Data = Callable[[Described], Any]
"""Reads the data of a job, as those who search may see it."""


class Walked(msgspec.Struct, frozen=True):
    """What was found, and what to pass as `after` to go on; None = that was all."""

    jobs: Sequence[Described]
    ids: Sequence[int]
    count: int
    next: str | None


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
    place = parts.place(after, query) if after is not None else None
    narrowed = _narrowed(query)
    window: Window = (yield finding.window(space, query.age, now_ms=now_ms)) if query.age else Window()
    window = window.until(id_most)
    if narrowed is None or not window:
        return Walked((), (), 0, None)
    reads = bool(query.phrases or query.data)
    wants = "jobs" if reads else wants
    reads_left = MOST_READ
    driver, through = yield from parts.parts(space, narrowed, window, place, merges=wants != "count")
    found = _Found([], [], 0)
    for at, part in enumerate(through):
        behind = parts.begin(part, place)
        more = True
        while more:
            if found.count >= limit or looks <= 0 or reads_left <= 0:
                return found.walked(parts.behind(query, driver, part, behind))
            most = limit - found.count if wants == "count" else min(limit - found.count, MOST_PER_CALL)
            one = Find(
                narrowed, part, wants, behind, MOST_PER_CALL if reads else most, min(LOOKS, looks), now_ms, window
            )
            got: Found = yield finding.find(space, one)
            kept = [i for i, job in enumerate(got.jobs) if not reads or _holds_all(query, job, data)]
            if len(kept) > most:
                found.add_jobs([got.jobs[i] for i in kept[:most]])
                return found.walked(parts.behind(query, driver, part, got.places[kept[most - 1]]))
            if wants == "jobs":
                found.add_jobs([got.jobs[i] for i in kept])
            else:
                found.ids += got.ids
                found.count += got.count
            behind, more = got.place, got.more
            looks, reads_left = looks - got.looked, reads_left - (len(got.jobs) if reads else 0)
        if at + 1 < len(through) and found.count >= limit:
            return found.walked(parts.behind(query, driver, through[at + 1], b""))
    return found.walked(None)


class _Found(msgspec.Struct):
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


def count(space: Space, query: Query, *, now_ms: int, data: Data, looks: int = MOST_COUNTED) -> Exchange[Counted]:
    """How many jobs fit: from what the server counts anyway where that is enough, else by looking at them."""
    if query == Query(text=query.text, states=query.states, types=query.types):
        counts = yield from parts.counts(space, query)
        return Counted(sum(counts[type_][state] for type_ in counts for state in parts.states(query)))
    if len(query.words) == 1 and query == Query(text=query.text, words=query.words) and _asked(query.words[0]):
        (number,) = yield finding.gauge(space, query.words)
        return Counted(number)
    found = yield from walk(space, query, now_ms=now_ms, wants="count", limit=2**53, data=data, looks=looks)
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


def _narrowed(query: Query) -> Query | None:
    """The query with the states that can fit; None when none can."""
    if not query.ended:
        return query
    states = tuple(state for state in parts.states(query) if state in FINISHED)
    return msgspec.structs.replace(query, states=states) if states else None


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
