"""`barq --help`, `barq --version`, and that they are quick: no command is imported that does not run."""

import subprocess
import sys

import click
import pytest

import barq
from barq.cli import COMMANDS, main
from tests.cli.support import Cli

NAMES = [name for commands in COMMANDS.values() for name in commands]
WIDTH = max(map(len, NAMES)) + 2


def test_help_lists_every_command_by_purpose(cli: Cli) -> None:
    done = cli("--help")
    assert (done.code, done.err) == (0, "")
    for purpose, commands in COMMANDS.items():
        assert f"{purpose}:" in done.out
        for name, (_, line) in commands.items():
            assert f"  {name:<{WIDTH}}{line}\n" in done.out


def test_version(cli: Cli) -> None:
    assert cli("--version").out == f"barq {barq.__version__}\n"


def test_help_imports_neither_the_engine_nor_asyncio() -> None:
    code = "import sys; from barq.cli import main; main(['--help'], standalone_mode=False); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    imported = done.stdout.splitlines()[-1]
    for module in ("asyncio", "redis", "msgspec", "barq.queue", "barq.cli.jobs"):
        assert f"'{module}'" not in imported


def test_the_engine_imports_nothing_that_few_need() -> None:
    code = "import sys, barq; barq.Queue, barq.Worker; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    needed = set(done.stdout.split())
    assert "barq.worker.turn" in needed
    for module in ("redis", "pathlib", "statistics", "sysconfig", "multiprocessing", "click", "starlette", "barq.cli"):
        assert module not in needed


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_where_the_table_says_and_has_help(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name
    assert command.get_short_help_str()


def test_an_unknown_command_is_exit_2(cli: Cli) -> None:
    done = cli("frobnicate")
    assert (done.code, done.out) == (2, "")
    assert "No such command 'frobnicate'" in done.err


def test_server_and_ping_are_wired(cli: Cli) -> None:
    assert cli("ping").out == "PONG\n"
    assert "stop" in cli("server", "--help").out
