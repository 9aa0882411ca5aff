"""Docs: every Python block and every `barq` and `make` line that they show is run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT, Server

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
PYTHON = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL), 1)
]


@pytest.mark.parametrize("block", PYTHON)
def test_python_snippet_runs(block: str, own_server: Server, tmp_path: Path) -> None:
    program = tmp_path / "app.py"
    program.write_text(block.replace('"embedded:"', repr(own_server.url)))
    done = run([sys.executable, str(program)], own_server)
    assert done.returncode == 0, done.stderr


def test_application_of_the_readme_works_as_shown(own_server: Server, tmp_path: Path) -> None:
    """Its two commands: `barq dev app.py`, and in another terminal `barq enqueue … --wait`."""
    readme = (ROOT / "README.md").read_text()
    blocks = re.findall(r"```(?:python|sh)\n(.*?)```", readme, re.DOTALL)
    (tmp_path / "app.py").write_text(next(block for block in blocks if block.startswith("# app.py")))
    enqueue = next(block.strip() for block in blocks if block.startswith("barq enqueue send_mail"))
    dev = subprocess.Popen(
        [*barq(), "dev", "app.py"],
        cwd=tmp_path,
        env=environment(own_server),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        done = run(["sh", "-c", enqueue.replace("barq", " ".join(barq()), 1)], own_server)
        assert done.returncode == 0, done.stderr
        assert "sent 'hello' to ann@example.org" in done.stdout
    finally:
        dev.terminate()
        dev.communicate(timeout=20)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_that_are_shown_exist(page: Path) -> None:
    text = page.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for target in re.findall(r"`make ([a-z-]+)", text):
        assert target in targets, f"make {target}"
    names = run([*barq(), "--help"], None).stdout
    for name in re.findall(r"^barq ([a-z]+)|`barq ([a-z]+)", text, re.MULTILINE):
        assert re.search(rf"^\s+{''.join(name)}\b", names, re.MULTILINE), f"barq {''.join(name)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_are_linked_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def barq() -> list[str]:
    return [sys.executable, "-m", "barq.cli"]


def environment(server: Server | None) -> dict[str, str]:
    return {**os.environ, "BARQ_URL": server.url if server else "redis://127.0.0.1:1"}


def run(command: list[str], server: Server | None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment(server), check=False)
