"""Environments: a virtual environment or an npm folder for each peer, because what they pin is in conflict.

They stand in .peers/NAME of the tree and are made again when an adapter's pins change.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers.catalogue import Peer
from benchmarks.rig import COMPILED

CACHE = Path(__file__).parents[2] / ".peers"
SECONDS = 300


class Unavailable(Exception):
    """This peer can't be measured on this machine; its text says why."""


@dataclass(frozen=True)
class Environment:
    peer: Peer
    folder: Path
    """Where its programs are."""

    def harness(self, role: str) -> list[str]:
        adapter = self.peer.adapter
        drive = adapter.with_name("drive" + adapter.suffix)
        return [*self._interpreter(), str(drive), role, adapter.stem]

    def import_command(self) -> list[str]:
        return [*self._interpreter(), "-e" if self.peer.is_node else "-c", self.peer.importing]

    def empty_command(self) -> list[str]:
        return [*self._interpreter(), "-e" if self.peer.is_node else "-c", ""]

    def help_command(self) -> list[str]:
        program, *arguments = self.peer.help.split()
        return [str(self.folder / program), *arguments]

    def variables(self) -> dict[str, str]:
        """What its processes see beside what this process sees."""
        if self.peer.is_node:
            return {"NODE_PATH": str(self.folder)}
        return {"PYTHONPATH": str(self.peer.adapter.parent), **COMPILED}

    def versions(self) -> str:
        if self.peer.packages:
            return ", ".join(self.peer.packages)
        return ", ".join(f"{name} {version(name)}" for name in ("barq", "redis", "uvloop"))

    def _interpreter(self) -> list[str]:
        return ["node"] if self.peer.is_node else [str(self.folder / "python")]


def environment(peer: Peer) -> Environment:
    """Make it if it is not there. Raises Unavailable."""
    if not peer.packages:
        return Environment(peer, Path(sys.executable).parent)
    home = CACHE / peer.name
    made = Environment(peer, home / ("node_modules" if peer.is_node else "bin"))
    wanted = "\n".join(sorted(peer.packages)) + f"\n{'' if peer.is_node else _interpreter_of(peer)}\n"
    pins = home / "pins"
    if pins.exists() and pins.read_text() == wanted:
        return made
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    try:
        _install_node(peer, home) if peer.is_node else _install_python(peer, home)
    except (subprocess.SubprocessError, OSError) as error:
        raise Unavailable(f"not installed: {_last_line(error)}") from error
    pins.write_text(wanted)
    return made


def _install_python(peer: Peer, home: Path) -> None:
    _run(_interpreter_of(peer), "-m", "venv", str(home))
    _run(str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.packages)


def _install_node(peer: Peer, home: Path) -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Unavailable("Node is not installed here")
    (home / "package.json").write_text('{"private": true}')
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--silent")
    _run("npm", "install", *quiet, "--prefix", str(home), *peer.packages)


def _interpreter_of(peer: Peer) -> str:
    if not peer.python:
        return sys.executable
    if sys.version_info[:2] >= tuple(map(int, peer.python.split("."))):
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for candidate in (shutil.which(f"python{peer.python}"), *sorted(pyenv.glob(f"{peer.python}.*/bin/python"))):
        if candidate is not None and _runs(str(candidate)):
            return str(candidate)
    raise Unavailable(f"needs Python {peer.python}, which is not installed here")


def _runs(interpreter: str) -> bool:
    """pyenv's shims are there for versions that are not."""
    return subprocess.run([interpreter, "-c", ""], capture_output=True, timeout=SECONDS, check=False).returncode == 0


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)


def _last_line(error: Exception) -> str:
    said = (getattr(error, "stderr", None) or "").strip().splitlines()
    return said[-1] if said else str(error)
