"""Create: from the body of Kue's POST /job to a job of barq. What Kue would have stored and tripped over is refused."""

from typing import Any, Final

import barq
from barq.backoff import Backoff
from barq.errors import InvalidType, InvalidValue
from barq.kue.words import Refusal, number, parse_int
from barq.options import PRIORITIES
from barq.queue import Queue
from barq.words import MOST_FIELDS, index_fields, searchable

_LONGEST_TITLE: Final = 1024


def job_of(queue: Queue, args: Any) -> barq.Job[Any]:
    """A job, not stored yet. Raises Refusal, or what barq raises for a value that it does not allow."""
    args = args if isinstance(args, dict) else {}
    if not _truthy(args.get("type")):
        raise Refusal(400, "Must provide job type")
    data = args.get("data")
    if not _truthy(data):
        data = {}
    given = args.get("options")
    options = {name: value for name, value in given.items() if _truthy(value)} if isinstance(given, dict) else {}
    delay_ms, ttl = number(options.get("delay")), number(options.get("ttl"))
    attempts = parse_int(options.get("attempts"))
    return queue.create(
        _type(args["type"]),
        data,
        priority=_priority(options.get("priority", 0)),
        delay=delay_ms / 1000 if delay_ms is not None and delay_ms > 0 else None,
        attempts=1 if attempts is None else attempts,
        backoff=_backoff(options.get("backoff"), delay_ms or 0.0),
        timeout=ttl / 1000 if ttl is not None and ttl > 0 else None,
        title=_title(data),
        remove_on_complete=bool(options.get("removeOnComplete")),
        index=_index(options.get("searchKeys"), data),
    )


def _type(given: Any) -> str:
    if isinstance(given, str):
        return given
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, int):
        return str(given)
    raise Refusal(400, f"type must be a text, got {given!r:.80}")


def _priority(given: Any) -> int:
    if isinstance(given, str) and given in PRIORITIES:
        return PRIORITIES[given]
    found = number(given)
    if found is None or not found.is_integer() or abs(found) >= 2**53:
        raise Refusal(400, f"priority must be one of {', '.join(PRIORITIES)} or a whole number, got {given!r:.80}")
    return int(found)


def _backoff(given: Any, delay_ms: float) -> Backoff:
    """Without one, Kue tries again at once; with `true`, after the job's delay."""
    match given:
        case None:
            return barq.fixed(0)
        case True:
            return barq.fixed(delay_ms / 1000)
        case {"type": "fixed" | "exponential" as kind, **rest}:
            seconds = (number(rest.get("delay")) or delay_ms) / 1000
            most = number(rest.get("maxDelay"))
            if kind == "fixed":
                return barq.fixed(seconds)
            return barq.exponential(seconds, jitter=0, **({} if most is None else {"most": most / 1000}))
    raise Refusal(400, 'backoff must be true or {"type": "fixed" or "exponential", "delay": ms}; code is not run')


def _title(data: Any) -> str | None:
    """Kue's pages show the title in the data as the job's name."""
    title = data.get("title") if isinstance(data, dict) else None
    fits = isinstance(title, str) and title.isprintable() and 0 < len(title.encode(errors="replace")) <= _LONGEST_TITLE
    return title if fits else None


def _index(keys: Any, data: Any) -> tuple[str, ...]:
    """Those of the searchKeys that can be searched for; Kue takes any."""
    given = [keys] if isinstance(keys, str) else keys if isinstance(keys, list) else []
    fields = []
    for key in given[:MOST_FIELDS]:
        try:
            (field,) = index_fields([key])
            list(searchable([field], data))
        except (InvalidValue, InvalidType):
            continue
        fields.append(field)
    return tuple(fields)


def _truthy(value: Any) -> bool:
    """As JavaScript sees it: empty lists and objects count."""
    return bool(value) or isinstance(value, list | dict)
