"""`barq acl`: the least rights that somebody needs on the server, as a rule for its ACL."""

import click

from barq.cli.common import emit, json_option, queue_option
from barq.options import queue_name as checked
from barq.queue import MOST_PARTITIONS
from barq.rights import Role, roles, rule


@click.command()
@click.argument("role", type=click.Choice(roles()))
@json_option
@queue_option
@click.option(
    "--partitions", type=click.IntRange(1, MOST_PARTITIONS), default=1, help="How many the queue has, if it has some."
)
def acl(*, role: Role, queue_name: str, partitions: int, as_json: bool) -> None:
    """Print the rule for a user that is a producer, worker, viewer or operator of a queue, and nothing else.

    Put it behind ACL SETUSER NAME on >PASSWORD. For servers from version 7.
    """
    told = rule(role, checked(queue_name), partitions)
    if as_json:
        emit({"ok": True, "role": role, "queue": queue_name, "rule": told})
    else:
        click.echo(told)
