"""Options: those of commands that do without the engine as well, so this imports none of it."""

import click

url_option = click.option(
    "--url",
    envvar=["BARQ_URL", "REDIS_URL"],
    show_envvar=True,
    help="The server: redis:// rediss:// redis+sentinel:// redis+cluster:// unix:// or embedded:  [default: redis://127.0.0.1:6379]",
)
