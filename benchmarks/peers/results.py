"""Results: what was found, by row and peer; kept as a file so that a report can be made of it again."""

import statistics
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from benchmarks.peers.steps import Figures


class Median(msgspec.Struct, frozen=True):
    value: float
    least: float
    most: float


@dataclass
class About:
    """A peer as it was measured."""

    versions: str
    settings: str
    guarantees: str


@dataclass
class Results:
    machine: list[str] = field(default_factory=list)
    rounds: int = 0
    about: dict[str, About] = field(default_factory=dict)
    samples: dict[str, dict[str, list[Figures]]] = field(default_factory=dict)
    failures: dict[str, dict[str, str]] = field(default_factory=dict)
    """Row → peer → why there is no figure."""

    def add(self, row: str, peer: str, figures: Figures) -> None:
        self.samples.setdefault(row, {}).setdefault(peer, []).append(figures)

    def failed(self, row: str, peer: str, why: str) -> None:
        self.failures.setdefault(row, {})[peer] = why

    def why_not(self, row: str, peer: str) -> str | None:
        """Any failed round spoils a row: its figures would be those of a peer that loses jobs, or hangs."""
        return self.failures.get(row, {}).get(peer)

    def median(self, row: str, figure: str, peer: str) -> Median | None:
        found = [one[figure] for one in self.samples.get(row, {}).get(peer, []) if figure in one]
        if not found or self.why_not(row, peer):
            return None
        return Median(statistics.median(found), min(found), max(found))

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self)))


def load(path: Path) -> Results:
    return msgspec.json.decode(path.read_bytes(), type=Results)


def revision() -> str:
    """Which state of this tree was measured."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
