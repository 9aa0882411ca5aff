"""Docs: every Python block and every `barq` and `make` line that they show is run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal, terminal
from tests.docs.console import Reader
from tests.support import ROOT, Server, free_port

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*/README.md")])
PYTHON = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL), 1)
]
CONSOLES = [page for page in PAGES if "```console" in page.read_text()]

BARQ_AT_ANOTHER_PORT = """#!/bin/sh
case "$*" in
    server | "server --daemon") set -- "$@" --port {port} ;;
esac
exec {barq} "$@"
"""


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


@pytest.mark.timeout(400)
@pytest.mark.parametrize("page", CONSOLES, ids=lambda page: page.stem)
def test_consoles_show_what_the_page_tells(page: Path, tmp_path: Path) -> None:
    """All console blocks of a page, one after the other as a person would type them. See console.py."""
    folder = tmp_path / "queuing_system"
    shutil.copytree(ROOT / "examples" / "queuing_system", folder, ignore=shutil.ignore_patterns("__pycache__"))
    port, http = str(free_port()), str(free_port())
    script = tmp_path / "bin" / "barq"
    script.parent.mkdir()
    script.write_text(BARQ_AT_ANOTHER_PORT.format(port=port, barq=shlex.join(barq())))
    script.chmod(0o755)
    environment = {
        "PATH": os.pathsep.join([str(script.parent), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PS1": "$ ",
        "HISTFILE": "/dev/null",
        "XDG_DATA_HOME": str(tmp_path / "share"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "REDIS_URL": f"redis://127.0.0.1:{port}",
        "PORT": http,
        "PYTHONDONTWRITEBYTECODE": "1",
    }

    def shell() -> AbstractContextManager[Terminal]:
        bash = [shutil.which("bash") or "bash", "--norc", "--noprofile", "-i"]
        return terminal(bash, folder, columns=300, rows=350, **environment)  # so large that nothing wraps or scrolls

    try:
        with Reader(folder, {"6379": port, "1245": http}, shell) as reader:
            reader.read(page.read_text())
    finally:
        stop = {**os.environ, **environment}
        subprocess.run([script, "server", "stop"], env=stop, capture_output=True, timeout=20, check=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_are_shown_exist(page: Path) -> None:
    text = page.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for target in re.findall(r"`make ([a-z-]+)", text):
        assert target in targets, f"make {target}"
    names = run([*barq(), "--help"], None).stdout
    for name in re.findall(r"^barq ([a-z]+)|`barq ([a-z]+)", text, re.MULTILINE):
        assert re.search(rf"^\s+{''.join(name)}\b", names, re.MULTILINE), f"barq {''.join(name)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_linked_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def barq() -> list[str]:
    return [sys.executable, "-m", "barq"]


def environment(server: Server | None) -> dict[str, str]:
    return {**os.environ, "BARQ_URL": server.url if server else "redis://127.0.0.1:1"}


def run(command: list[str], server: Server | None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment(server), check=False)
