"""Steps: one measurement each, of one peer against a fresh server. They give figures by row, or raise Broken."""

import os
import statistics
import subprocess
import time
from dataclasses import dataclass

from benchmarks.peers.environments import Environment
from benchmarks.peers.processes import Broken, Family, Producer
from benchmarks.peers.site import Site, site
from benchmarks.rig import percentile

Figures = dict[str, float]

FEWEST = 300
MOST = 100_000
MOST_QUEUED = 2.5
"""How much more than its measured jobs a drain may be given, so that the enqueueing before it could be timed."""
WARMING = 5
"""One in so many jobs comes first and is not measured: connections, caches, compilers at run time."""
START_SECONDS = 25.0


@dataclass(frozen=True)
class Pair:
    """An enqueue row, and the drain row that then runs its jobs (filled up to what the drain needs)."""

    enqueue: str
    act: str
    drain: str
    concurrency: int
    plain: bool


NO_ROW = "drain_after_bulk"
"""What a drain is called that only shows that jobs enqueued in bulk run: of peers without plain handlers."""

PAIRS = (
    Pair("enqueue_one", "one_by_one", "drain_10", 10, plain=False),
    Pair("enqueue_many", "by_many", "drain_100", 100, plain=False),
    Pair("enqueue_bulk", "in_bulk", "drain_plain", 32, plain=True),
)


class Pace:
    """How fast a peer was last, so that each row takes about the same time whoever it is."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._rates: dict[str, float] = {}

    def learn(self, found: dict[str, Figures]) -> None:
        for row, figures in found.items():
            self._rates[row] = figures["rate"]

    def knows(self, found: dict[str, Figures]) -> bool:
        """Whether these were about as many jobs as belong into a row; a short one tells little of who needs to warm up."""
        *_, drain = found
        return all(2 * figures["jobs"] >= self.jobs(row, drain) for row, figures in found.items())

    def jobs(self, row: str, drain: str | None = None) -> int:
        """How many belong into a row; for enqueueing no more than the drain after it can do with."""
        rate = self._rates.get(row)
        jobs = FEWEST if rate is None else max(FEWEST, min(MOST, int(rate * self.seconds)))
        return jobs if drain in (None, row) else min(jobs, int(MOST_QUEUED * self.jobs(drain)))


def enqueue_and_drain(environment: Environment, pair: Pair, pace: Pace) -> dict[str, Figures]:
    """Figures of the enqueue row, if the peer has it, and last those of the drain."""
    peer = environment.peer
    plain = "plain" in peer.handlers if pair.plain else peer.first_handler == "plain"
    drain = pair.drain if plain or not pair.plain else NO_ROW
    found: dict[str, Figures] = {}
    with site(environment, concurrency=pair.concurrency, plain=plain) as here:
        producer = here.producer()
        jobs = _fill(producer, 10, act="one_by_one")
        if pair.act != "in_bulk" or producer.has_bulk:
            to_enqueue = pace.jobs(pair.enqueue, drain)
            jobs += _fill(producer, max(FEWEST // 3, to_enqueue // WARMING), act=pair.act)
            found[pair.enqueue], enqueued = _timed(here, producer, pair.act, to_enqueue, pace)
            jobs += enqueued
        if (missing := pace.jobs(drain) - jobs) > 0:
            jobs += _fill(producer, missing)
        producer.stop()
        found[drain] = _drain(here, jobs)
    return found


def round_trips(environment: Environment, pace: Pace) -> dict[str, Figures]:
    with site(environment, concurrency=1, plain=False) as here:
        figures, _ = _timed(here, here.producer(), "round_trips", MOST, pace)
        return {"round_trips": figures}


def standing(environment: Environment, *, idle_seconds: float, samples: int, seconds: float) -> dict[str, Figures]:
    """A worker that has little to do: its memory, what it does when idle, how fast it picks up a job."""
    found: dict[str, Figures] = {}
    with site(environment, concurrency=10, plain=environment.peer.first_handler == "plain") as here:
        worker = here.worker()
        producer = here.producer()
        _fill(producer, 1, act="one_by_one")
        here.wait_for(1, worker, START_SECONDS)
        if idle_seconds:
            found["resident"] = {"bytes": worker.resident_bytes()}
            time.sleep(1.0)
            own, server = worker.cpu_seconds(), here.server_seconds()
            commands = here.commands_in(idle_seconds)
            found["idle"] = {
                "commands": commands / idle_seconds,
                "own": 100 * (worker.cpu_seconds() - own) / idle_seconds,
                "server": 100 * (here.server_seconds() - server) / idle_seconds,
            }
        how = {"samples": samples, "seconds": seconds, "gap": 0.012, "patience": 10.0}
        sent = producer.ask(seconds + 15, do="pick_up", how=how)["sent"]
        ran = here.times(1 + len(sent))[1:]
        waits = [(done - began) / 1e6 for began, done in zip(sent, ran, strict=True)]
        found["pick_up"] = {"p50": percentile(waits, 0.5), "p99": percentile(waits, 0.99), "samples": len(waits)}
        worker.check()
    return found


def memory(environment: Environment, pace: Pace) -> dict[str, Figures]:
    """Bytes of the server for a job that waits, and for one that is finished and kept; connections and scripts left out."""
    plain = environment.peer.first_handler == "plain"
    with site(environment, concurrency=100, plain=plain, keep=True) as here:
        warm = _fill_and_end(here, 200)
        _drain_and_end(here, warm)
        before = here.server.memory()
        jobs = _fill_and_end(here, max(1000, min(10_000, 2 * pace.jobs("drain_100"))))
        waiting = here.server.memory()
        _drain_and_end(here, warm + jobs)
        kept = here.server.memory()
        return {"memory": {"waiting": (waiting - before) / jobs, "kept": (kept - before) / jobs}}


def start_up(environment: Environment, runs: int) -> dict[str, Figures]:
    """Wall time of whole processes in ms, after one that fills the caches; an empty interpreter among them."""
    commands = {"import": environment.import_command(), "empty": environment.empty_command()}
    if environment.peer.help:
        commands["help"] = environment.help_command()
    found: Figures = {}
    for name, command in commands.items():
        _process_ms(command, environment.variables())
        found[name] = statistics.median(_process_ms(command, environment.variables()) for _ in range(runs))
    return {"start_up": found}


def _timed(here: Site, producer: Producer, act: str, count: int, pace: Pace) -> tuple[Figures, int]:
    server = here.server_seconds()
    told = producer.ask(pace.seconds * 3 + 60, do=act, count=count, seconds=pace.seconds * 2)
    server = here.server_seconds() - server
    jobs = told["jobs"]
    figures = {
        "rate": jobs / told["wall"],
        "own": told["own"] / jobs * 1e6,
        "server": server / jobs * 1e6,
        "jobs": jobs,
    }
    return figures, jobs


def _fill(producer: Producer, count: int, act: str = "") -> int:
    act = act or ("in_bulk" if producer.has_bulk else "by_many")
    jobs: int = producer.ask(90, do=act, count=count, seconds=60)["jobs"]
    if jobs < count:
        raise Broken(f"only {jobs:,} of {count:,} jobs were enqueued in 60 s")
    return jobs


def _drain(here: Site, jobs: int) -> Figures:
    worker, warm = here.worker(), jobs // WARMING
    here.wait_for(warm, worker, START_SECONDS)
    first, own, server = here.ran(), worker.cpu_seconds(), here.server_seconds()
    here.wait_for(jobs, worker, START_SECONDS)
    own, server = worker.cpu_seconds() - own, here.server_seconds() - server
    worker.stop(gently=False)
    ran = here.times(jobs)
    figures = {"rate": (jobs - 1 - warm) / ((ran[-1] - ran[warm]) / 1e9), "jobs": jobs}
    if jobs - first >= FEWEST // 2:
        figures |= {"own": own / (jobs - first) * 1e6, "server": server / (jobs - first) * 1e6}
    return figures


def _fill_and_end(here: Site, count: int) -> int:
    producer = here.producer()
    jobs = _fill(producer, count)
    producer.stop()
    _until_alone(here)
    return jobs


def _drain_and_end(here: Site, jobs: int) -> None:
    worker: Family = here.worker()
    here.wait_for(jobs, worker, START_SECONDS * 2)
    here.times(jobs)
    worker.stop()
    _until_alone(here)


def _until_alone(here: Site) -> None:
    """The server takes connections down a moment after their processes ended."""
    deadline = time.monotonic() + 5
    while len(here.server.client.client_list()) > 1 and time.monotonic() < deadline:
        time.sleep(0.02)


def _process_ms(command: list[str], variables: dict[str, str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=30,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **variables},
        check=False,
    )
    if done.returncode:
        raise Broken(f"{command[-1]} ended with {done.returncode}: {done.stderr.strip()[-200:]}")
    return (time.perf_counter() - began) * 1000
