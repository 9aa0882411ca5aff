"""Completion in the shells that are here, from the very script that `barq completion` prints."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import barq.sync
from barq.cli.completion import SHELLS
from tests.cli.support import Cli, environment
from tests.cli.terminal import ENTER, TAB, terminal
from tests.support import free_port, wait_until

BIN = Path(sys.executable).parent

BASH = """
eval "$(barq completion bash)"
COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_barq_completion barq
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def shell(cli: Cli, program: str, script: str, **env: str) -> list[str]:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [program, "-c", script],
        env=environment(**{**cli.env, "PATH": path, **env}),
        cwd=cli.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


def bash(cli: Cli, words: str, **env: str) -> list[str]:
    return shell(cli, "bash", BASH.format(words=words), **env)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_commands_options_states_and_types(cli: Cli, jobs: barq.sync.Queue) -> None:
    jobs.enqueue("email")
    jobs.enqueue("encode")
    jobs.enqueue("image")
    assert bash(cli, "barq wo") == ["worker", "workers"]
    assert "--timeout" in bash(cli, "barq wait --")
    assert bash(cli, "barq ls f") == ["failed"]
    # who is busy may not answer within the second that types get
    wait_until(lambda: bash(cli, "barq ls --type e") == ["email", "encode"], "types of an option", seconds=60)
    wait_until(lambda: bash(cli, "barq pause im") == ["image"], "types of an argument", seconds=60)
    assert bash(cli, "barq completion z") == ["zsh"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_without_a_server_types_are_not_completed_and_nothing_is_said(cli: Cli) -> None:
    assert bash(cli, "barq ls --type e", BARQ_URL=f"redis://127.0.0.1:{free_port()}") == []


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_completes_commands_options_and_types(cli: Cli, jobs: barq.sync.Queue) -> None:
    jobs.enqueue("email")
    asked = "barq completion fish | source; complete -C 'barq {}'"
    assert {"worker", "workers"} <= set(shell(cli, "fish", asked.format("wo")))
    assert "--timeout" in shell(cli, "fish", asked.format("wait --"))
    wait_until(lambda: shell(cli, "fish", asked.format("ls --type e")) == ["email"], "types of an option", seconds=60)


INTERACTIVE = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(barq completion bash)"'),
    "zsh": (["zsh", "-f", "-i"], 'autoload -U compinit && compinit -D; eval "$(barq completion zsh)"'),
    "fish": (["fish", "--no-config", "-i"], "barq completion fish | source"),
}


@pytest.mark.parametrize("name", SHELLS)
def test_tab_completes_on_a_terminal(cli: Cli, name: str) -> None:
    (program, *options), begins = INTERACTIVE[name]
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"needs {name}")
    env = {**cli.env, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "HOME": str(cli.folder), "PS1": "$ "}
    with terminal([path, *options], cli.folder, **env) as screen:
        screen.type(f"{begins}; echo re''ady{ENTER}")
        screen.holds("ready")
        screen.type(f"barq wo{TAB}")
        screen.holds("barq worker")
        screen.type(f"s --js{TAB}")
        screen.holds("barq workers --json")


@pytest.mark.parametrize("name", SHELLS)
def test_what_a_script_asks_for_is_answered(cli: Cli, name: str) -> None:
    script = cli("completion", name)
    assert (script.code, script.err) == (0, "")
    assert f"_BARQ_COMPLETE={name}_complete" in script.out
    asked = {
        "_BARQ_COMPLETE": f"{name}_complete",
        "COMP_WORDS": "barq work",
        "COMP_CWORD": "work" if name == "fish" else "1",
    }
    assert "workers" in cli(**asked).out


def test_another_shell_is_exit_2(cli: Cli) -> None:
    assert cli("completion", "tcsh").code == 2
