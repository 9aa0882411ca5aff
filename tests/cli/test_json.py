"""--json is the same everywhere: stdout is data, stderr is for people, and an error is JSON as well."""

import asyncio
import json
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import barq
from barq.cli import COMMANDS, main
from tests.support import Server, free_port

NAMES = {name for commands in COMMANDS.values() for name in commands}

WITHOUT = {
    "dev": "runs until it is stopped, and logs",
    "worker": "runs until it is stopped, and logs",
    "demo": "is to be watched",
    "top": "is to be watched",
    "cli": "answers as the server does",
    "completion": "prints a script",
}

ELSEWHERE = {
    "server": "tests/cli/test_server.py: starts a process",
    "dashboard": "tests/cli/test_dashboard.py: goes on",
    "events": "tests/cli/test_queue.py: goes on, an object a line",
    "check": "tests/cli/test_check.py: takes an application",
}

WORDS: dict[str, list[str]] = {
    "ping": [],
    "doctor": [],
    "enqueue": ["email", "{}"],
    "show": ["FAILED"],
    "ls": [],
    "logs": ["FAILED"],
    "wait": ["DONE"],
    "explain": ["WAITING"],
    "retry": ["FAILED"],
    "cancel": ["WAITING"],
    "promote": ["DELAYED"],
    "remove": ["FAILED"],
    "priority": ["WAITING", "high"],
    "edit": ["WAITING", '{"a": 1}'],
    "clone": ["FAILED"],
    "info": [],
    "failures": [],
    "workers": [],
    "pause": ["email"],
    "resume": ["email"],
    "audit": [],
    "acl": ["worker"],
}


def run(name: str, *words: str, url: str, queue: str) -> Result:
    return CliRunner().invoke(main, [name, *words, "--json"], env={"BARQ_URL": url, "BARQ_QUEUE": queue})


@pytest.fixture
def ids(server: Server, name: str) -> dict[str, str]:
    """A job in each of some states."""

    async def make() -> dict[str, str]:
        async with barq.Queue(name, url=server.url) as queue:

            @queue.handler("boom")
            async def boom(job: barq.Job[Any]) -> None:
                await job.log("here")
                raise ValueError("no way")

            @queue.handler("fine")
            async def fine(job: barq.Job[Any]) -> int:
                return 1

            failed, done = await queue.enqueue("boom"), await queue.enqueue("fine")
            await barq.Worker(queue, burst=True).run(signals=False)
            waiting, delayed = await queue.enqueue("email"), await queue.enqueue("email", delay=60)
            jobs = {"FAILED": failed, "DONE": done, "WAITING": waiting, "DELAYED": delayed}
            return {state: str(job.id) for state, job in jobs.items()}

    return asyncio.run(make())


def test_every_command_is_in_one_of_the_tables() -> None:
    assert set(WITHOUT) | set(ELSEWHERE) | set(WORDS) == NAMES


@pytest.mark.parametrize("name_of", sorted(NAMES))
def test_a_command_has_json_unless_the_table_says_why_not(name_of: str) -> None:
    command = main.get_command(click.Context(main), name_of)
    assert command is not None
    has = any("--json" in parameter.opts for parameter in command.params)
    assert has is (name_of not in WITHOUT)


@pytest.mark.parametrize("name_of", sorted(WORDS))
def test_stdout_is_json_and_stderr_is_empty(name_of: str, ids: dict[str, str], server: Server, name: str) -> None:
    done = run(name_of, *(ids.get(word, word) for word in WORDS[name_of]), url=server.url, queue=name)
    assert done.exit_code == 0, done.output
    (line,) = done.stdout.splitlines()
    told = json.loads(line)
    assert isinstance(told, dict)
    assert name_of == "logs" or told["ok"] is True
    assert done.stderr == ""


@pytest.mark.parametrize("name_of", sorted(set(WORDS) - {"acl"}))
def test_an_error_is_json_with_a_line_on_stderr(name_of: str, name: str) -> None:
    words = ["17" if word.isupper() else word for word in WORDS[name_of]]
    done = run(name_of, *words, url=f"redis://127.0.0.1:{free_port()}", queue=name)
    assert done.exit_code == 69, done.output
    told = json.loads(done.stdout)
    assert told["ok"] is False
    assert "no server at" in told["error"]
    assert done.stderr.startswith("barq")
