"""Catalogue: the peers, read from the heads of the files in adapters/ without running them."""

import re
from dataclasses import dataclass
from pathlib import Path

ADAPTERS = Path(__file__).parent / "adapters"
OURS = "barq"

_LINE = re.compile(r"^(packages|python|handlers|import|help|settings|guarantees):(.*(?:\n    .*)*)$", re.MULTILINE)


@dataclass(frozen=True)
class Peer:
    name: str
    adapter: Path
    packages: tuple[str, ...]
    handlers: tuple[str, ...]
    importing: str
    help: str
    settings: str
    guarantees: str
    python: str = ""

    @property
    def is_node(self) -> bool:
        return self.adapter.suffix == ".js"

    @property
    def first_handler(self) -> str:
        """What its workers are best at, for the rows that do not ask for plain functions."""
        return self.handlers[0]


def read(adapter: Path) -> Peer:
    text = adapter.read_text()
    marks = ('"""', '"""') if adapter.suffix == ".py" else ("/*", "*/")
    head = text[text.index(marks[0]) + len(marks[0]) :]
    lines = {key: " ".join(text.split()) for key, text in _LINE.findall(head[: head.index(marks[1])])}
    return Peer(
        name=adapter.stem.removeprefix("peer_").replace("_", "-"),
        adapter=adapter,
        packages=tuple(lines["packages"].split()),
        handlers=tuple(lines["handlers"].split(", ")),
        importing=lines["import"],
        help=lines.get("help", ""),
        settings=lines["settings"],
        guarantees=lines["guarantees"],
        python=lines.get("python", ""),
    )


def peers() -> dict[str, Peer]:
    """All of them by name, ours first."""
    found = [read(path) for path in sorted(ADAPTERS.glob("peer_*"))]
    return {peer.name: peer for peer in sorted(found, key=lambda peer: peer.name != OURS)}
