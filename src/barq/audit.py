"""Audit: the log of what people did to jobs, types and workers, as the acting scripts write it (lua/lib/audit.lua)."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from barq.codec import Codec
from barq.protocol.reads import WrittenDown
from barq.record import number

LONGEST_DATA: Final = 2000
"""Bytes of data that is written down; of longer ones it is told how long they are."""


class Act(msgspec.Struct, frozen=True):
    """Who did what to what, and when. `before` and `after`: states, how many from which; a pause; a priority with data.

    `count`: how many jobs it concerned. `number` grows by one from act to act.
    """

    number: int
    at: datetime
    by: str
    act: str
    target: str
    before: Any
    after: Any
    count: int


class Acts(msgspec.Struct, frozen=True):
    """The newest first. `next` is the `before` of those behind them, None at the end."""

    acts: list[Act]
    next: int | None


def acts_of(entries: list[WrittenDown], codec: Codec, *, limit: int, id_of: Callable[[bytes], int] = number) -> Acts:
    """From as many entries as were asked for, and one more."""
    acts = [_act(position, fields, codec, id_of) for position, fields in entries[:limit]]
    return Acts(acts, acts[-1].number if len(entries) > limit else None)


def _act(position: int, fields: dict[str, bytes], codec: Codec, id_of: Callable[[bytes], int]) -> Act:
    before, after = msgspec.json.decode(fields["before"]), msgspec.json.decode(fields["after"])
    for told, field in ((before, "old"), (after, "new")):
        if field in fields:
            told["data"] = _data(fields[field], codec.decode)
    return Act(
        number=position,
        at=datetime.fromtimestamp(int(fields["t"]) / 1000, UTC),
        by=fields["by"].decode("utf-8", "replace"),
        act=fields["act"].decode(),
        target=_target(fields["target"].decode("utf-8", "replace"), int(fields["count"]), id_of),
        before=before,
        after=after,
        count=int(fields["count"]),
    )


def _data(payload: bytes, decode: Callable[[bytes], Any]) -> Any:
    if len(payload) > LONGEST_DATA:
        return f"<more than {LONGEST_DATA} bytes>"
    try:
        return decode(payload)
    except Exception as error:  # a codec of the application's own
        return f"<not readable: {type(error).__name__}>"


def _target(target: str, count: int, id_of: Callable[[bytes], int]) -> str:
    """`jobs a1 a2` as people read it."""
    kind, _, rest = target.partition(" ")
    if kind != "jobs":
        return target
    ids = [str(id_of(member.encode())) for member in rest.split(" ")]
    more = f" and {count - len(ids)} others" if count > len(ids) else ""
    return f"job{'' if count == 1 else 's'} {', '.join(ids)}{more}"
