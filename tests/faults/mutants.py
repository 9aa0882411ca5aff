"""Mutants: bugs planted in a copy of barq, each of which the model test or a short chaos run has to find.

python -m tests.faults.mutants [NAME …]. A mutant that survives, or whose text is no longer in the source, is a failure: so
neither the tests nor the mutants can rot. What finds it is looked up in the output, so that a copy that is merely broken
counts as a failure as well.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support import ROOT

SOURCE: Final = ROOT / "src" / "barq"
LUA: Final = "protocol/lua"
MODEL_STEPS: Final = 6000
LONGEST_SECONDS: Final = 600.0
AT_A_TIME: Final = 2


@dataclass(frozen=True)
class Edit:
    """The one place in a file where a text stands, and what stands there instead."""

    file: str
    old: str
    new: str

    def apply(self, folder: Path) -> None:
        path = folder / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise AssertionError(f"{self.file} has {text.count(self.old)} times, not once: {self.old!r}")
        path.write_text(text.replace(self.old, self.new))


@dataclass(frozen=True)
class Mutant:
    """`chaos`: the options of the chaos run that finds it; none: the model test does. `shows`: what the output says then."""

    name: str
    edits: list[Edit]
    chaos: str = ""
    shows: str = r"AssertionError"


MUTANTS: Final = [
    Mutant(
        "no fence: whoever held the job may settle while anybody holds it",
        [Edit(f"{LUA}/steps/settling.lua", "local held = run[i] == token", "local held = run[i] and #run[i] > 20")],
    ),
    Mutant(
        "settle without a look at the lease",
        [Edit(f"{LUA}/steps/settling.lua", "local held = run[i] == token", "local held = true")],
    ),
    Mutant(
        "no idempotency check: an enqueue that is repeated stores again",
        [Edit(f"{LUA}/commands/enqueue.lua", "again == '1' and call('GET', once)", "false")],
    ),
    Mutant(
        "idempotency tokens are not looked up",
        [
            Edit(
                f"{LUA}/commands/enqueue.lua",
                "call('GET', prefix .. 'token:' .. token .. ':once') or known[token]",
                "nil",
            )
        ],
    ),
    Mutant(
        "rescue on a stale snapshot: who lost its lease was looked up by the claim before",
        [
            Edit(
                f"{LUA}/lib/due.lua",
                "local lost = overdue(type, ACTIVE, '(' .. whole(now))\n",
                "local key = prefix .. type .. ':stale'\n"
                "  local lost = call('LRANGE', key, 0, -1)\n"
                "  call('DEL', key)\n"
                "  local snapshot = overdue(type, ACTIVE, '(' .. whole(now))\n"
                "  if #snapshot > 0 then call('RPUSH', key, unpack(snapshot)) end\n",
            )
        ],
    ),
    Mutant(
        "a running job is edited under its handler",
        [Edit(f"{LUA}/commands/edit.lua", "if state == ACTIVE then return answered(state) end", "")],
    ),
    Mutant(
        "an edited priority changes the record, not the place in the line",
        [
            Edit(
                f"{LUA}/commands/edit.lua",
                "if state == WAITING then call('ZADD', line(type, WAITING), 'XX', priority, id) end",
                "",
            )
        ],
    ),
    Mutant(
        "a pause with an end never ends",
        [
            Edit(
                f"{LUA}/lib/settings.lua",
                "local ends = pause and (pause['until'] or math.huge)",
                "local ends = pause and math.huge",
            )
        ],
    ),
    Mutant(
        "who waits is not told when a pause ends",
        [Edit(f"{LUA}/steps/claiming.lua", "local due = resumes ~= math.huge and resumes or nil", "local due = nil")],
    ),
    Mutant(
        "a job that is retried by hand forgets how it had failed",
        [Edit(f"{LUA}/lib/anew.lua", "if state == FAILED and ended then", "if false then")],
    ),
    Mutant(
        "lost wake-up: an enqueue sets no marker",
        [Edit(f"{LUA}/commands/enqueue.lua", "  wake(type)\n", "")],
        shows="no_wake_up_is_lost",
    ),
    Mutant(
        "lost wake-up: a claim that leaves jobs behind sets no marker",
        [
            Edit(
                f"{LUA}/commands/claim.lua",
                "if open[i] and call('EXISTS', line(type, WAITING)) == 1 then wake(type) end",
                "",
            )
        ],
        shows="no_wake_up_is_lost",
    ),
    Mutant(
        "promote that drops what is due together",
        [
            Edit(
                f"{LUA}/lib/due.lua",
                "if #ids > 0 then enter(type, DELAYED, WAITING, ids, scored) end",
                "if #ids == 1 then enter(type, DELAYED, WAITING, ids, scored) end",
            )
        ],
    ),
    Mutant(
        "promote too early",
        [Edit(f"{LUA}/lib/due.lua", "overdue(type, DELAYED, whole(now))", "overdue(type, DELAYED, whole(now + 300))")],
    ),
    Mutant(
        "heartbeat that revives a lost lease",
        [Edit(f"{LUA}/commands/extend.lua", "if run[i] == token then", "if run[i] then")],
    ),
    Mutant(
        "counter drift: a failed job stays in the line of the active ones",
        [
            Edit(
                f"{LUA}/steps/settling.lua",
                "move(type, ACTIVE, FAILED, settled, lot.scored, lot.bodies)",
                "enter(type, ACTIVE, FAILED, settled, lot.scored, lot.bodies)",
            )
        ],
    ),
    Mutant(
        "attempts begin anew after a rescue, so tokens come again",
        [Edit(f"{LUA}/lib/due.lua", "run[#run + 1] = attempt .. ' ' .. failures", "run[#run + 1] = '0 ' .. failures")],
    ),
    Mutant(
        "a stale holder may keep the result of a step",
        [
            Edit(
                f"{LUA}/commands/keep.lua",
                "if call('HGET', prefix .. 'run', id) ~= token then return {0, false} end",
                "",
            )
        ],
    ),
    Mutant(
        "the result of a step is written over",
        [Edit(f"{LUA}/commands/keep.lua", "HSETNX", "HSET")],
    ),
    Mutant(
        "a parked job burns an attempt",
        [
            Edit(
                f"{LUA}/steps/settling.lua",
                "      elseif kind == 'park' then\n        kept_as = attempt .. ' ' .. failures",
                "      elseif kind == 'park' then\n        kept_as = attempt .. ' ' .. whole(failures + 1)",
            )
        ],
    ),
    Mutant(
        "last in, first out",
        [
            Edit(f"{LUA}/steps/claiming.lua", "call('ZRANGE', key, 0, n - 1)", "call('ZREVRANGE', key, 0, n - 1)"),
            Edit(
                f"{LUA}/steps/claiming.lua",
                "call('ZREMRANGEBYRANK', key, 0, got - 1)",
                "call('ZREM', key, unpack(popped))",
            ),
        ],
    ),
    Mutant(
        "poison is never stopped",
        [Edit(f"{LUA}/lib/due.lua", "if tonumber(rescues) >= poison then", "if tonumber(rescues) > poison then")],
    ),
    Mutant(
        "a repeated claim takes more jobs",
        [
            Edit(
                f"{LUA}/steps/claiming.lua",
                "if again == '1' then -- what the call got",
                "if false then -- what the call got",
            )
        ],
    ),
    Mutant(
        "watchers are not told of an ending",
        [
            Edit(
                f"{LUA}/steps/publishing.lua",
                "if tonumber(until_ms) > t then",
                "if tonumber(until_ms) > t and not ENDING[event] then",
            )
        ],
        shows="watchers_are_told_the_same",
    ),
    Mutant(
        "a call that is sent again is not marked as a repeat",
        [Edit("store/store.py", "                call = call.again()\n", "                pass\n")],
        chaos="--faults drop,reset --per-minute 150",
        shows=r"BROKEN  [247]",
    ),
    Mutant(
        "settle acknowledged before it is written",
        [
            Edit(
                "store/store.py",
                "            if sent:\n                call = call.again()\n",
                "            if sent and call.script is not None and call.script.name in ('settle', 'turn'):\n"
                "                return call.decode([] if call.script.name == 'settle' else [None, None])\n"
                "            if sent:\n                call = call.again()\n",
            )
        ],
        chaos="--faults drop,reset,server-kill --per-minute 180",
        shows=r"BROKEN  3",
    ),
    Mutant(
        "token reused after a restart: a worker's names begin anew with its process",
        [
            Edit(
                "clock.py",
                'return f"{_source.getrandbits(32):08x}"',
                "Clock.last = getattr(Clock, 'last', 0) + 1\n        return f'{Clock.last:08x}'",
            ),
            Edit("worker/worker.py", 'self.id = f"w{os.urandom(4).hex()}"', 'self.id = "w" + queue.target.shown[-5:]'),
        ],
        chaos="--faults kill --per-minute 60",
        shows=r"BROKEN  7",
    ),
    Mutant(
        "heartbeats come from the worker's own loop, which may be blocked",
        [
            Edit(
                "worker/lease.py",
                "        since = time.monotonic()",
                "        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self._loop))\n"
                "        since = time.monotonic()",
            )
        ],
        chaos="--faults block --per-minute 60",
        shows=r"BROKEN  4",
    ),
    Mutant(
        "who has lost a job is not told",
        [Edit("worker/lease.py", "            if lost:\n", "            if lost and False:\n")],
        chaos="--faults flush --per-minute 60",
        shows=r"BROKEN  5",
    ),
    Mutant(
        "what is kept of a step is not looked at, so it runs again",
        [Edit("steps.py", "recall(self._job, self._name)", "recall(self._job, self._name) and None")],
        chaos="--faults flush --per-minute 60",
        shows=r"BROKEN 17",
    ),
]

CHAOS: Final = "--seed 3 --seconds 10 --calibrate 2 --workers 3 --producers 1 --floor 0"


def command(mutant: Mutant, folder: Path) -> list[str]:
    if mutant.chaos:
        return [sys.executable, "-m", "tests.faults", *CHAOS.split(), *mutant.chaos.split(), "--folder", str(folder)]
    return [sys.executable, "-m", "pytest", "tests/model", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist"]


@contextmanager
def copy(edits: list[Edit]) -> Iterator[Path]:
    """A folder with a copy of barq, changed."""
    folder = Path(tempfile.mkdtemp(prefix="barq-mutant-"))
    try:
        shutil.copytree(SOURCE, folder / "barq", ignore=shutil.ignore_patterns("__pycache__"))
        for edit in edits:
            edit.apply(folder / "barq")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Outcome:
    mutant: Mutant
    seconds: float
    code: int
    output: str
    problem: str = field(default="")


def tried(mutant: Mutant, *, planted: bool = True) -> Outcome:
    """Run what has to find it. `planted` False: on barq as it is, where nothing may be found."""
    began = time.monotonic()
    with copy(mutant.edits if planted else []) as folder:
        environment = {
            **os.environ,
            "PYTHONPATH": str(folder),
            "BARQ_MODEL_STEPS": str(MODEL_STEPS),
            "BARQ_MODEL_QUICK": "1",
        }
        done = subprocess.run(
            command(mutant, folder / "run"),
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
        where = subprocess.run(
            [sys.executable, "-c", "import barq; print(barq.__file__)"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        if not where.stdout.startswith(str(folder)):
            raise AssertionError(f"{where.stdout.strip()} would be tested instead of the copy in {folder}")
    outcome = Outcome(mutant, time.monotonic() - began, done.returncode, done.stdout)
    if not planted and done.returncode:
        outcome.problem = "fails without a bug"
    elif planted and not done.returncode:
        outcome.problem = "SURVIVED"
    elif planted and not re.search(mutant.shows, done.stdout):
        outcome.problem = f"fails, but the output does not show {mutant.shows!r}"
    return outcome


def main(names: list[str]) -> int:
    chosen = [mutant for mutant in MUTANTS if not names or any(name in mutant.name for name in names)]
    began, failures = time.monotonic(), 0
    healthy = [
        Mutant("the model test on barq as it is", []),
        Mutant("a chaos run on barq as it is", [], chaos="--per-minute 120"),
    ]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        outcomes = [pool.submit(tried, mutant, planted=False) for mutant in healthy]
        outcomes += [pool.submit(tried, mutant) for mutant in chosen]
        for submitted in outcomes:
            outcome = submitted.result()
            print(f"{outcome.seconds:5.1f} s  {outcome.problem or 'good'}: {outcome.mutant.name}", flush=True)
            if outcome.problem:
                failures += 1
                print(outcome.output[-6000:], flush=True)
    print(f"{len(chosen)} planted bugs, {failures} problems, {time.monotonic() - began:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
