"""`barq completion`: what a shell needs to complete commands, options, states, and the types of a queue."""

import click
from click.shell_completion import get_completion_class

from barq.cli import exits

SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_BARQ_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, *, shell: str) -> None:
    """Print a script that has SHELL complete what is typed after `barq`.

    bash: put `eval "$(barq completion bash)"` into ~/.bashrc; zsh: `eval "$(barq completion zsh)"` behind compinit in
    ~/.zshrc; fish: `barq completion fish > ~/.config/fish/completions/barq.fish`.
    """
    found = get_completion_class(shell)
    if found is None:
        exits.end(f"this version of click completes nothing for {shell}: update click")
    root = context.find_root()
    made = found(root.command, {}, "barq", _VARIABLE)
    click.echo(made.source_template % made.source_vars())  # source() would start bash to see its version
