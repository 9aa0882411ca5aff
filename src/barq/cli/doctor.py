"""`barq doctor`: check a server, and say what its settings and state mean for jobs."""

import asyncio

import click

import barq
from barq.cli import exits, text
from barq.cli.common import emit, json_option, queue_option
from barq.cli.options import url_option
from barq.doctor import diagnose, worst
from barq.rights import Role, roles
from barq.store.examine import examine


@click.command()
@json_option
@url_option
@queue_option
@click.option("--role", type=click.Choice(roles()), help="Look only at the rights that this part needs.")
def doctor(*, queue_name: str, url: str | None, as_json: bool, role: Role | None) -> None:
    """Check a server: version, persistence, eviction, memory, replication, clock, latency, rights, cluster.

    Each check is ok, warn or bad; the exit code is 1 when one is bad. Works also with servers that barq refuses.
    """
    queue = barq.Queue(queue_name, url=url)
    findings = diagnose(asyncio.run(examine(queue.target, queue.name, role)))
    mark = worst(findings)
    if as_json:
        emit({"ok": mark != "bad", "server": queue.target.shown, "worst": mark, "findings": findings})
    else:
        click.echo(f"server at {queue.target.shown}\n")
        for finding in findings:
            click.echo(f"{finding.mark:<4}  {finding.check:<11}  {text.one_line(finding.says)}")
    if mark == "bad":
        raise SystemExit(exits.FAILED)
