"""Site: a fresh server, a file of records, and the processes of one peer that were started against them."""

import json
import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers.environments import Environment
from benchmarks.peers.processes import Broken, Family, Producer, cpu_seconds
from benchmarks.rig import PAYLOAD, Rig, rig

RECORD = struct.Struct("<q8s")
PROOF = PAYLOAD["phoneNumber"][-8:].encode()
POLL = 0.004

_SENT = re.compile(rb"^\+[\d.]+ \[\d+ (?!lua)", re.MULTILINE)


@dataclass
class Site:
    server: Rig
    environment: Environment
    folder: Path
    variables: dict[str, str]
    families: list[Family | Producer] = field(default_factory=list)

    def producer(self) -> Producer:
        made = Producer(self.environment.harness("produce"), variables=self.variables, log=self.folder / "producer.log")
        self.families.append(made)
        return made

    def worker(self) -> Family:
        made = Family(self.environment.harness("work"), variables=self.variables, log=self.folder / "worker.log")
        self.families.append(made)
        return made

    def server_seconds(self) -> float:
        return cpu_seconds(self.server.pid)

    # ---- what the handlers wrote

    @property
    def records(self) -> Path:
        return self.folder / "records"

    def ran(self) -> int:
        return self.records.stat().st_size // RECORD.size

    def wait_for(self, jobs: int, worker: Family, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (ran := self.ran()) < jobs:
            worker.check()
            if time.monotonic() > deadline:
                raise Broken(
                    f"{ran:,} of {jobs:,} jobs had run after {seconds:.0f} s; its worker: {worker.last_words()}"
                )
            time.sleep(POLL)

    def times(self, jobs: int) -> list[int]:
        """When each job ran, in ns. Raises Broken unless exactly that many ran, each with its data."""
        time.sleep(0.1)  # a job that runs twice would do so about now
        content = self.records.read_bytes()
        if len(content) != jobs * RECORD.size:
            raise Broken(f"{len(content) / RECORD.size:,g} executions of {jobs:,} jobs")
        found = list(RECORD.iter_unpack(content))
        if wrong := next((proof for _, proof in found if proof != PROOF), None):
            raise Broken(f"a job ran with other data: {wrong!r}")
        return sorted(when for when, _ in found)

    def commands_in(self, seconds: float) -> int:
        """How many commands clients send in that time; what scripts call does not travel and does not count."""
        address = self.server.client.connection_pool.connection_kwargs
        heard = b""
        with socket.create_connection((address["host"], address["port"]), timeout=5) as ear:
            ear.sendall(b"MONITOR\r\n")
            deadline = time.monotonic() + seconds
            while (left := deadline - time.monotonic()) > 0:
                ear.settimeout(left)
                try:
                    heard += ear.recv(1 << 20)
                except TimeoutError:
                    break
        return len(_SENT.findall(heard))


@contextmanager
def site(environment: Environment, *, concurrency: int, plain: bool, keep: bool = False) -> Iterator[Site]:
    """All of it ends with the `with`: producers, workers, server, files."""
    with rig() as server:
        folder = Path(server.folder) / "peer"
        folder.mkdir()
        records = folder / "records"
        records.touch()
        made = Site(
            server,
            environment,
            folder,
            variables={
                **environment.variables(),
                "PEER_URL": server.url,
                "PEER_JOB": json.dumps(PAYLOAD),
                "PEER_RECORDS": str(records),
                "PEER_CONCURRENCY": str(concurrency),
                "PEER_HANDLER": "plain" if plain else "async",
                "PEER_KEEP": str(int(keep)),
            },
        )
        try:
            yield made
        finally:
            for family in reversed(made.families):
                family.stop()
