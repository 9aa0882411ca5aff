"""Prompt: `barq cli` at a terminal, with history, completion and hints. Needs prompt_toolkit, so nobody else imports this."""

from collections.abc import Iterable
from typing import Final

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, get_common_complete_suffix
from prompt_toolkit.document import Document
from prompt_toolkit.filters import is_done
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout.processors import AfterInput, ConditionalProcessor

from barq.cli import exits
from barq.cli.client import words
from barq.cli.client.docs import CommandDocs, Docs, ask_docs, found, hint
from barq.cli.client.history import open_history
from barq.cli.client.output import answer, is_farewell
from barq.cli.client.session import STREAMS, Session
from barq.errors import BarqError

HELP: Final = """\
Type a command of the server, such as: set Holberton School
Tab completes, arrow up and Ctrl-R look back, Ctrl-C drops the line, exit or Ctrl-D leaves.
help COMMAND tells what a command is for."""


class Prompt:
    """Asks for commands and runs them until the user leaves."""

    def __init__(self, session: Session, *, as_raw: bool) -> None:
        self._session = session
        self._as_raw = as_raw
        self._docs: Docs | None = None
        self._shown = ""
        self._input: PromptSession[str] = PromptSession(
            history=open_history(),
            completer=_Completer(self),
            complete_while_typing=False,
            key_bindings=_keys(),
            input_processors=[ConditionalProcessor(AfterInput(self._hint, style="fg:ansibrightblack"), ~is_done)],
        )

    @property
    def docs(self) -> Docs:
        return self._docs or {}

    def run(self) -> None:
        self._connect()
        while True:
            try:
                self._learn()
                self._shown = self._session.prompt()
                for line in self._input.prompt(self._shown).split("\n"):  # several when they were pasted
                    if not self._run(line):
                        return
            except KeyboardInterrupt:
                continue
            except EOFError:
                return

    def _run(self, line: str) -> bool:
        """Run one line; returns whether to go on."""
        try:
            command = words.split(line.encode(errors="surrogateescape"))
        except words.BadQuotes as error:
            click.echo(error)
            return True
        match [word.lower() for word in command]:
            case []:
                pass
            case _ if is_farewell(command):
                return False
            case [b"help", *rest]:
                click.echo(self._help([word.decode(errors="replace") for word in rest]))
            case [name, *_]:
                if name in STREAMS:
                    click.echo("Reading messages... (press Ctrl-C to quit)")
                self._ask(command)
        return True

    def _ask(self, command: list[bytes]) -> None:
        try:
            answer(self._session, command, as_raw=self._as_raw, failures_to_stderr=False)
        except BarqError as error:
            exits.say(str(error))
        except KeyboardInterrupt:  # the answer may still come, so that connection is of no more use
            click.echo()
            self._connect()
            raise

    def _connect(self) -> None:
        try:
            self._session.connect()
        except BarqError as error:
            exits.say(str(error))
        except KeyboardInterrupt:
            click.echo()

    # ---- what the server says of its commands

    def _learn(self) -> None:
        if self._docs is None and self._session.is_idle:
            try:
                self._docs = ask_docs(self._session)
            except BarqError:
                pass  # the next command meets the same, and says so
            except KeyboardInterrupt:
                click.echo()

    def _hint(self) -> str:
        app = get_app()
        document = app.current_buffer.document
        if not document.is_cursor_at_the_end:
            return ""
        text = document.text
        more = hint(self.docs, text)
        room = app.output.get_size().columns - len(self._shown) - len(text) - 2
        space = "" if text.endswith(" ") else " "
        return space + (more if len(more) <= room else more[: max(0, room - 1)] + "…") if more else ""

    def _help(self, names: list[str]) -> str:
        command, _ = found(self.docs, names)
        if not names:
            return HELP
        return exits.clean(_described(command)) if command else f"the server knows no command {' '.join(names)!r}"


class _Completer(Completer):
    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:  # noqa: ARG002
        *before, begun = document.text_before_cursor.lstrip().split(" ")
        for name, command in self._offered(before).items():
            if name.startswith(begun.upper()):
                rest = name[len(begun) :]
                text = begun + (rest if begun.isupper() else rest.lower())
                yield Completion(text, start_position=-len(begun), display_meta=command.summary)

    def _offered(self, before: list[str]) -> dict[str, CommandDocs]:
        docs = self._prompt.docs
        match before:
            case []:
                return dict(sorted(docs.items()))
            case [first] if first.upper() == "HELP":
                return dict(sorted(docs.items()))
            case [first] if command := docs.get(first.upper()):
                return dict(sorted(command.subcommands.items()))
        return {}


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("tab")
    def complete(event: KeyPressEvent) -> None:
        """Complete at once. prompt_toolkit's own Tab takes a turn of its loop, and an Enter may come before that."""
        buffer = event.current_buffer
        if buffer.complete_state:
            buffer.complete_next()
            return
        offered = list(buffer.completer.get_completions(buffer.document, CompleteEvent(completion_requested=True)))
        buffer.insert_text(get_common_complete_suffix(buffer.document, offered))
        if len(offered) > 1:
            buffer.start_completion()

    return keys


def _described(command: CommandDocs) -> str:
    facts = [
        " ".join([command.name, *command.syntax]),
        command.summary,
        f"since {command.since}" if command.since else "",
        command.complexity,
        f"subcommands: {', '.join(sorted(command.subcommands))}" if command.subcommands else "",
    ]
    return "\n  ".join(filter(None, facts))
