"""Cast: who takes part in a run: the server, and in each slot a process with a gate of its own between it and the server."""

import asyncio
import signal
import time
import zlib
from pathlib import Path
from typing import Final

import msgspec

from tests.faults.bank import Bank
from tests.faults.probe import Look, Probe
from tests.faults.processes import Child, Terms
from tests.faults.proxy import Gate
from tests.faults.records import Died, Ledger, now
from tests.faults.servers import ChaosServer

MODULES: Final = {"worker": "tests.faults.worker", "producer": "tests.faults.producer"}


TEND_SECONDS: Final = 0.02


class Slot:
    """A place for a process, one after the other. `busy`: something befalls it that lasts, so nothing else shall."""

    def __init__(self, role: str, number: int, gate: Gate, folder: Path, terms: Terms, ledger: Ledger) -> None:
        self.role = role
        self.name = f"{role}-{number}"
        self.gate = gate
        self.busy = False
        self.expected_end = False
        self.child: Child
        self._buried = 0
        self._folder = folder
        self._terms = terms
        self._ledger = ledger
        self._starts = 0
        self.started_at = 0.0

    def start(self) -> None:
        self._starts += 1
        self.started_at = time.monotonic()
        seed = zlib.crc32(f"{self._terms.seed} {self.name} {self._starts}".encode())
        terms = msgspec.structs.replace(self._terms, seed=seed)
        self.expected_end = False
        self.child = Child(MODULES[self.role], self._folder, self.gate.url, self.name, terms)

    def kill(self) -> None:
        self.expected_end = True
        self.child.kill()
        self.bury()

    def bury(self) -> bool:
        """Write down that the process has ended, once it has."""
        code = self.child.code
        if code is not None and self._buried != self.child.pid:
            self._buried = self.child.pid
            self._ledger.write(Died(now(), self.name, self.child.pid, self.child.wait()))
        return code is not None

    async def ended(self, seconds: float) -> int | None:
        """Wait until the process has ended by itself; its exit code, None when it has not."""
        deadline = time.monotonic() + seconds
        while (code := self.child.code) is None and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        self.bury()
        return code

    async def state(self, seconds: float = 2.0) -> str:
        """What a worker says of itself, as JSON; and the stacks of its threads go to its output."""
        path = self._folder / f"{self.name}.{self.child.pid}.state"
        path.unlink(missing_ok=True)
        self.child.signal(signal.SIGUSR2)
        deadline = time.monotonic() + seconds
        while not path.exists():
            if time.monotonic() > deadline:
                return ""
            await asyncio.sleep(0.01)
        return path.read_text()


class Cast:
    def __init__(self, folder: Path, terms: Terms) -> None:
        self.folder = folder
        self.terms = terms
        self.ledger = Ledger(folder / "driver.ledger")
        self.server = ChaosServer(folder / "server")
        self.bank = Bank(folder).open()
        self.probe = Probe(self.server, terms.queue)
        self.slots: list[Slot] = []
        self._tending: asyncio.Task[None] | None = None
        self.gate = Gate(self.server.port)  # the driver's own way, without faults

    async def enter(self) -> None:
        await self.gate.open()
        for role, count in (("worker", self.terms.workers), ("producer", self.terms.producers)):
            for number in range(1, count + 1):
                gate = await Gate(self.server.port).open()
                slot = Slot(role, number, gate, self.folder, self.terms, self.ledger)
                slot.start()
                self.slots.append(slot)
        self._tending = asyncio.create_task(self._tend())

    def of(self, role: str) -> list[Slot]:
        return [slot for slot in self.slots if slot.role == role]

    async def _tend(self) -> None:
        """Who has ended without a strike (a job may have killed its worker) gets a successor."""
        while True:
            for slot in self.slots:
                if slot.bury() and not (slot.expected_end or slot.busy):
                    slot.start()
            await asyncio.sleep(TEND_SECONDS)

    def grant(self, look: Look, outstanding: int) -> None:
        """Let the producers ask for so many more until the next look that about `outstanding` jobs are unfinished."""
        producers = self.of("producer")
        for slot in producers:
            slot.child.tell(f"credit {max(0, outstanding - look.unfinished) // len(producers)}")

    async def leave(self) -> None:
        """End everything, whatever state it is in."""
        if self._tending is not None:
            self._tending.cancel()
        for slot in self.slots:
            slot.child.signal(signal.SIGCONT)
            slot.kill()
            await slot.gate.close()
        await self.gate.close()
        await self.server.stop()
