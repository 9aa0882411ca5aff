"""Driver: sends calls over one blocking connection, and reads all that a queue keeps in one go."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import redis

from barq.protocol import reads, streams
from barq.protocol.call import Call, Space
from barq.protocol.streams import Happened
from barq.record import Ending, number
from barq.states import State

T = TypeVar("T")

_ENTRIES = "return redis.call('XRANGE', KEYS[1], ARGV[1], '+')"


@dataclass(frozen=True)
class Kept:
    """What the server keeps of a queue. Ids are numbers, and the long members that are no jobs are left out."""

    lines: dict[tuple[str, State], list[tuple[int, int]]]  # (id, score) in the order of the line
    counts: dict[tuple[str, State], int]
    jobs: dict[int, bytes]
    past: set[int]
    run: dict[int, str]
    end: dict[int, bytes]
    note: dict[int, bytes]
    logs: dict[int, list[str]]
    steps: dict[int, dict[str, bytes]]
    events: list[Happened]
    letters: list[Happened]  # of the inbox
    watched: set[int]
    marked: set[str]  # types whose marker wakes an idle worker


class Driver:
    """`inbox` is where the events of watched jobs go."""

    def __init__(self, url: str, space: Space, inbox: str) -> None:
        self.space = space
        self._client = redis.Redis.from_url(url, retry=None)
        self._streams = {
            streams.events_key(space): b"-",
            streams.inbox_key(space, inbox): b"-",
        }  # from where to read on

    def send(self, call: Call[Any]) -> Any:
        assert call.script is not None
        try:
            reply = self._client.execute_command("EVALSHA", call.script.sha, 1, call.prefix, *call.args)
        except redis.exceptions.NoScriptError:
            reply = self._client.execute_command("EVAL", call.script.source, 1, call.prefix, *call.args)
        return call.decode(reply)

    def kept(self, types: tuple[str, ...]) -> Kept:
        """Everything; of events those since the last look."""
        prefix = self.space.prefix
        keys = [(type_, state) for type_ in types for state in State]
        pipeline = self._client.pipeline(transaction=False)
        for type_, state in keys:
            pipeline.zrange(prefix + f"{type_}:{state}".encode(), 0, -1, withscores=True)
        pipeline.hkeys(prefix + b"past")
        for name in (b"job", b"run", b"end", b"note"):
            pipeline.hgetall(prefix + name)
        pipeline.execute_command("KEYS", prefix + b"log:*")
        pipeline.execute_command("KEYS", prefix + b"step:*")
        pipeline.hkeys(prefix + b"watch")
        for type_ in types:
            pipeline.exists(prefix + type_.encode() + b":wake")
        # not XRANGE by its own name: redis-py makes a dict of an entry, where one event replaces another of its name
        for key, position in self._streams.items():
            pipeline.eval(_ENTRIES, 1, key, position)
        *lines, past, job, run, end, note, logs, steps, watched, marks, events, letters = _grouped(
            pipeline.execute(), len(types)
        )
        for key, entries in zip(self._streams, (events, letters), strict=True):
            if entries:
                self._streams[key] = b"(" + entries[-1][0]
        _, rows = self.send(reads.counts(self.space, types))
        return Kept(
            lines={
                key: [(number(one), int(score)) for one, score in line if not one.startswith(b"_")]
                for key, line in zip(keys, lines, strict=True)
            },
            counts={(row.type, State(state)): count for row in rows for state, count in row.counts.items()},
            jobs={number(one): record for one, record in job.items()},
            past=set(map(number, past)),
            run={number(one): text.decode() for one, text in run.items() if not one.startswith(b"_")},
            end={number(one): text for one, text in end.items() if not one.startswith(b"_")},
            note={number(one): text for one, text in note.items()},
            logs=self._contents("LRANGE", logs, lambda lines: [text.decode().split("\t", 1)[1] for text in lines]),
            steps=self._contents("HGETALL", steps, lambda kept: {name.decode(): body for name, body in kept.items()}),
            events=_expanded(self.space, events),
            letters=_expanded(self.space, letters),
            watched=set(map(number, watched)),
            marked={type_ for type_, mark in zip(types, marks, strict=True) if mark},
        )

    def unmark(self, types: list[str]) -> bool:
        """Take the first marker there is, as a worker's wait does."""
        return any(self._client.delete(self.space.prefix + type_.encode() + b":wake") for type_ in types)

    def past(self, job_id: int) -> list[Ending]:
        call = reads.past(self.space, job_id)
        return call.decode(self._client.execute_command(*call.args))

    def _contents(self, command: str, keys: list[bytes], read: Callable[[Any], T]) -> dict[int, T]:
        """What stands in keys that end with the id of a job."""
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            pipeline.execute_command(command, key, *(("0", "-1") if command == "LRANGE" else ()))
        ids = (number(key.rpartition(b":")[2]) for key in keys)
        return {id: read(found) for id, found in zip(ids, pipeline.execute() if keys else (), strict=True)}

    def close(self) -> None:
        """Forget the queue."""
        keys = self._client.execute_command("KEYS", self.space.prefix + b"*")
        if keys:
            self._client.execute_command("DEL", *keys)
        self._client.close()


def _grouped(replies: list[Any], types: int) -> list[Any]:
    """The replies about the types' marks, which stand before the last two, as one."""
    return [*replies[: -2 - types], replies[-2 - types : -2], *replies[-2:]]


def _expanded(space: Space, entries: list[Any]) -> list[Happened]:
    return [told for position, fields in entries for told in streams.expand(space, position, fields)]
