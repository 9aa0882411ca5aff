"""Jobs: what the producers of a run ask for, of all kinds, and what the workers do with it."""

import random
from dataclasses import dataclass, field
from typing import Any

import msgspec

import barq
from tests.faults.records import Asked, now, payload_hash

TYPES = ("quick", "plain", "slow", "flaky", "later", "deadly")

LONGEST_MS = 1000
"""The longest that a handler takes, unless it is cancelled."""

CANCELLED_MS = 4000
"""The longest that a handler would take that is cancelled; what is held much longer is stuck."""

LONGEST_WAIT_MS = 1500
"""The longest delay or backoff that is asked for."""


class Data(msgspec.Struct):
    """A job's data. `fails`: so often its handler raises; `says`: so many words of progress and log. `pays`: it has
    an effect elsewhere, in a step."""

    key: str
    ms: int = 0
    fails: int = 0
    says: int = 0
    pays: bool = False
    padding: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """A job that a producer wants. `cancel_ms`: it cancels it after so long; `waits`: it waits for the result."""

    type: str
    data: Data
    options: dict[str, Any] = field(default_factory=dict)
    token: bool = False
    cancel_ms: int | None = None
    waits: bool = False

    def asked(self) -> Asked:
        options = self.options
        return Asked(
            now(),
            self.data.key,
            data_hash(self.data),
            self.type,
            options.get("priority", 0),
            round(options.get("delay", 0) * 1000),
            options.get("attempts", 1),
            self.data.fails,
            round(options["backoff"].delay * 1000) if "backoff" in options else 0,
            options.get("remove_on_complete", False),
            self.token,
        )


def data_hash(data: Any) -> str:
    """The same for the data as it was asked and as a handler gets it."""
    return payload_hash(msgspec.json.encode(data))


def quick(random: random.Random, data: Data) -> Wish:
    return Wish("quick", data)


def urgent(random: random.Random, data: Data) -> Wish:
    return Wish("quick", data, {"priority": random.choice([-15, -10, -5, 10])})


def plain(random: random.Random, data: Data) -> Wish:
    data.ms = random.choice([0, 0, 1, 5])
    return Wish("plain", data)


def slow(random: random.Random, data: Data) -> Wish:
    data.ms = random.randint(50, LONGEST_MS)
    return Wish("slow", data, {"priority": random.choice([0, -5])})


def talkative(random: random.Random, data: Data) -> Wish:
    data.says = random.randint(1, 4)
    return Wish("quick", data)


def flaky(random: random.Random, data: Data) -> Wish:
    """Completes at its last attempt."""
    data.fails = random.randint(1, 2)
    backoff = barq.fixed(random.choice([0.0, 0.1, 0.3]))
    return Wish("flaky", data, {"attempts": data.fails + 1, "backoff": backoff})


def doomed(random: random.Random, data: Data) -> Wish:
    """Fails for good."""
    data.fails = 2
    return Wish("flaky", data, {"attempts": 2, "backoff": barq.fixed(0.1)})


def paying(random: random.Random, data: Data) -> Wish:
    """Has an effect elsewhere in its first attempt, and completes in the second or third."""
    data.pays = True
    return flaky(random, data)


def later(random: random.Random, data: Data) -> Wish:
    return Wish("later", data, {"delay": random.randint(1, LONGEST_WAIT_MS) / 1000})


def unique(random: random.Random, data: Data) -> Wish:
    """Enqueued under a token, again until it is acknowledged."""
    return Wish("quick", data, token=True)


def passing(random: random.Random, data: Data) -> Wish:
    """Forgotten when it completes."""
    return Wish("quick", data, {"remove_on_complete": True})


def unwanted(random: random.Random, data: Data) -> Wish:
    """Cancelled, mostly before it is due."""
    delay = random.choice([0.0, 0.3, 1.0])
    data.ms = 300
    return Wish("slow" if not delay else "later", data, {"delay": delay} if delay else {}, cancel_ms=100)


def endless(random: random.Random, data: Data) -> Wish:
    """Cancelled while it runs, long before it would end by itself."""
    data.ms = CANCELLED_MS
    return Wish("slow", data, cancel_ms=300)


def awaited(random: random.Random, data: Data) -> Wish:
    return Wish("quick", data, waits=True)


MIX = {
    quick: 50,
    urgent: 10,
    plain: 8,
    slow: 1,
    talkative: 3,
    flaky: 5,
    doomed: 2,
    paying: 2,
    later: 6,
    unique: 5,
    passing: 5,
    unwanted: 1,
    endless: 0.1,
    awaited: 2,
}
"""Kinds and how many of a hundred jobs are of each."""


def wish(random: random.Random, key: str) -> Wish:
    (kind,) = random.choices(list(MIX), list(MIX.values()))
    return kind(random, Data(key, padding="x" * random.choice([10, 80, 300])))


def deadly(key: str) -> Wish:
    """A job that kills each worker it meets."""
    return Wish("deadly", Data(key), {"priority": -20})
