"""Command line: a file per noun, loaded when it is used, so that `barq --help` is quick."""

import importlib
from typing import Any

import click

import barq
from barq.cli import exits
from barq.errors import BarqError

COMMANDS = {
    "Start": {
        "dev": ("dev:dev", "Run a file, and again whenever it changes."),
        "worker": ("worker:worker", "Run the jobs of an application's queue."),
        "server": ("server:server", "Run the bundled server, or stop it."),
        "check": ("check:check", "Find jobs that an application can't run, before it is deployed."),
        "doctor": ("doctor:doctor", "Check a server, and say what it means for jobs."),
        "acl": ("acl:acl", "Print the least rights that a user needs on the server."),
        "ping": ("server:ping", "Ask whether the server answers."),
        "cli": ("client.command:cli", "Talk to the server in its own commands."),
        "demo": ("demo:demo", "Show barq at work, with jobs of its own."),
    },
    "Jobs": {
        "enqueue": ("jobs:enqueue", "Store a job, and wait for its result if you like."),
        "show": ("jobs:show", "Show all that is known of a job."),
        "ls": ("jobs:ls", "List jobs."),
        "logs": ("logs:logs", "Print a job's log, and follow it."),
        "wait": ("wait:wait", "Wait until jobs have ended."),
        "explain": ("steer:explain", "Say why a job does not run."),
        "retry": ("acts:retry", "Run finished jobs again."),
        "cancel": ("acts:cancel", "Cancel jobs, also running ones."),
        "promote": ("acts:promote", "Have delayed jobs run now."),
        "remove": ("acts:remove", "Forget jobs."),
        "priority": ("steer:priority", "Have a job run before or behind others."),
        "edit": ("steer:edit", "Give a job other data."),
        "clone": ("steer:clone", "Store another job like one that is there."),
    },
    "Queue": {
        "top": ("top.command:top", "Watch and steer the queue in the terminal."),
        "info": ("queue:info", "Show counts, pauses and workers."),
        "failures": ("steer:failures", "Group failed jobs by what they failed with."),
        "workers": ("workers:workers", "List the workers that are alive, drain or stop one."),
        "events": ("queue:events", "Follow what happens to jobs."),
        "pause": ("queue:pause", "Hand out no job of a type, or of any."),
        "resume": ("queue:resume", "End a pause."),
        "audit": ("steer:audit", "List what people did."),
        "dashboard": ("dashboard:dashboard", "Serve the queue over HTTP."),
        "completion": ("completion:completion", "Have your shell complete what you type."),
    },
}
"""Purpose -> command -> where it is, and its line in the help."""

_WHERE = {name: where for commands in COMMANDS.values() for name, (where, _) in commands.items()}
_WIDTH = max(map(len, _WHERE))


class LazyGroup(click.Group):
    """Imports the module of a command when that is run, and turns what barq raises into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_WHERE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _WHERE:
            return None
        module, _, attribute = _WHERE[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(f"barq.cli.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for purpose, commands in COMMANDS.items():
            with formatter.section(purpose):
                formatter.write_dl([(f"{name:<{_WIDTH}}", line) for name, (_, line) in commands.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[exits.AS_JSON] = "--json" in args  # also when the command's own options can't be parsed
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        as_json = ctx.meta[exits.AS_JSON]
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise SystemExit(exits.INTERRUPTED) from None
        except click.UsageError as error:
            if as_json:
                exits.print_json({"ok": False, "error": error.format_message()})
            raise
        except BarqError as error:
            exits.fail(error, as_json=as_json)


@click.group(cls=LazyGroup, name="barq", epilog="barq COMMAND --help tells the options of a command.")
@click.version_option(barq.__version__, message="barq %(version)s")
def main() -> None:
    """Background jobs on Redis and Valkey."""
