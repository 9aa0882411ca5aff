"""Probe: looks at a running queue, each look one atomic script: how much is unfinished, and what must never be."""

import json
from dataclasses import dataclass
from typing import Any

from barq.record import number
from barq.states import State
from tests.faults.jobs import TYPES
from tests.faults.servers import ChaosServer

UNFINISHED = (State.WAITING, State.DELAYED, State.ACTIVE, State.BLOCKED)
_FINISHED = (State.COMPLETED, State.FAILED, State.CANCELLED)

_COUNT = """
local prefix, types, unfinished, finished = KEYS[1], cjson.decode(ARGV[1]), cjson.decode(ARGV[2]), cjson.decode(ARGV[3])
local function count(states)
  local sum = 0
  for _, type in ipairs(types) do
    for _, state in ipairs(states) do
      local n = redis.call('ZCARD', prefix .. type .. ':' .. state)
      if state == 'active' and n > 0 then n = n - 1 end
      sum = sum + n
    end
  end
  return sum
end
local time = redis.call('TIME')
local answer = {time[1] * 1000 + math.floor(time[2] / 1000), tonumber(redis.call('GET', prefix .. 'seq') or 0)}
answer[3], answer[4], answer[5] = count(unfinished), count(finished), count({'cancelled'})
answer[6] = redis.call('HLEN', prefix .. 'job')
"""

_EACH = """
local seen = {}
for _, type in ipairs(types) do
  for _, state in ipairs(unfinished) do
    local line = redis.call('ZRANGE', prefix .. type .. ':' .. state, 0, -1, 'WITHSCORES')
    for i = 1, #line, 2 do
      local id = line[i]
      if string.sub(id, 1, 1) ~= '_' then
        local places = type .. ':' .. state
        for _, other in ipairs(finished) do
          if redis.call('ZSCORE', prefix .. type .. ':' .. other, id) then places = places .. ' ' .. type .. ':' .. other end
        end
        if seen[id] then places = places .. ' ' .. seen[id] end
        seen[id] = places
        answer[#answer + 1] = id
        answer[#answer + 1] = places
        answer[#answer + 1] = line[i + 1]
        answer[#answer + 1] = redis.call('HGET', prefix .. 'run', id) or ''
        answer[#answer + 1] = redis.call('HEXISTS', prefix .. 'job', id)
      end
    end
  end
end
"""


@dataclass(frozen=True, slots=True)
class Place:
    """An unfinished job: where it is, its score there, and who holds it."""

    id: int
    where: str
    score: float
    run: str
    known: bool

    def __str__(self) -> str:
        return f"{self.id} {self.where} {self.score:.0f} {self.run or '-'}"


@dataclass(frozen=True, slots=True)
class Look:
    """How a queue stands. `last_id` is the last that was given to a job; `kept` how many records there are."""

    now_ms: int
    last_id: int
    unfinished: int
    finished: int
    cancelled: int
    kept: int
    places: list[Place]

    @property
    def done(self) -> int:
        """How many jobs workers have brought to an end, also those that are forgotten."""
        return self.last_id - self.unfinished - self.cancelled


class Probe:
    def __init__(self, server: ChaosServer, queue: str) -> None:
        self._server = server
        self.prefix = f"barq:{{{queue}}}:"

    async def count(self) -> Look:
        return await self._look(_COUNT + "return answer")

    async def look(self) -> Look:
        """With all unfinished jobs."""
        return await self._look(_COUNT + _EACH + "return answer")

    async def _look(self, script: str) -> Look:
        lists = (json.dumps(list(names)) for names in (TYPES, UNFINISHED, _FINISHED))
        answer: list[Any] = await self._server.ask("EVAL", script, 1, self.prefix, *lists)
        flat = answer[6:]
        places = [
            Place(
                number(flat[at]), flat[at + 1].decode(), float(flat[at + 2]), flat[at + 3].decode(), bool(flat[at + 4])
            )
            for at in range(0, len(flat), 5)
        ]
        now_ms, last_id, unfinished, finished, cancelled, kept = answer[:6]
        return Look(now_ms, last_id, unfinished, finished, cancelled, kept, places)


def wrong(look: Look, *, lease_ms: int, longest_hold_ms: int) -> list[str]:
    """What must never be, in one look. A lease may be over for a while before somebody finds it."""
    found = []
    if look.kept != look.unfinished + look.finished:
        found.append(f"{look.kept} records, but {look.unfinished} + {look.finished} jobs in the lines")
    for place in look.places:
        if " " in place.where:
            found.append(f"job {place.id} is in several places: {place.where}")
        if not place.known:
            found.append(f"job {place.id} is in {place.where} without a record")
        words = place.run.split()
        if place.where.endswith(":active"):
            if len(words) != 6:
                found.append(f"job {place.id} is active, but its holder is {place.run!r}")
            elif look.now_ms - int(words[3]) > longest_hold_ms and place.score >= look.now_ms:
                found.append(f"job {place.id} is held for {look.now_ms - int(words[3])} ms by {place.run!r}")
            if look.now_ms - place.score > lease_ms + 5000:
                found.append(f"the lease of job {place.id} is over for {look.now_ms - place.score:.0f} ms")
        elif len(words) not in (0, 3):
            found.append(f"job {place.id} is in {place.where}, but held by {place.run!r}")
    return found
