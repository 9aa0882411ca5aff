"""Docs: what the server says of its own commands, for the prompt's completion and hints."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from barq.cli.client.session import Session
from barq.store.resp import Failure, Map, Set, Status, Value

_NOT_NOW: Final = (b"NOAUTH", b"BUSY", b"LOADING", b"MASTERDOWN")


@dataclass(frozen=True, slots=True)
class CommandDocs:
    """One command: `syntax` is its arguments one by one, as `["key", "[NX | XX]"]`."""

    name: str
    summary: str = ""
    since: str = ""
    complexity: str = ""
    syntax: tuple[str, ...] = ()
    subcommands: "Mapping[str, CommandDocs]" = field(default_factory=dict)


Docs = Mapping[str, CommandDocs]
"""By name in capitals."""


def ask_docs(session: Session) -> Docs | None:
    """All commands of the server: only their names where it is older than Redis 7, none where the user may not ask.

    None: it does not tell yet, as the user has to sign in first or the server is busy.
    """
    answer = session.ask(b"COMMAND", b"DOCS")
    if isinstance(answer, Failure) and answer.text.startswith(_NOT_NOW):
        return None
    if not isinstance(answer, Failure):
        return {_name(name): _command(_name(name), _mapping(facts)) for name, facts in _pairs(answer)}
    names = [_text(_list(row)[0]).upper() for row in _list(session.ask(b"COMMAND")) if _list(row)]
    return {name: CommandDocs(name) for name in names}


def found(docs: Docs, words: list[str]) -> tuple[CommandDocs | None, int]:
    """The command that some words begin with, and how many of them name it."""
    command = docs.get(words[0].upper()) if words else None
    below = command.subcommands.get(words[1].upper()) if command and len(words) > 1 else None
    return (below, 2) if below else (command, 1 if command else 0)


def hint(docs: Docs, text: str) -> str:
    """The arguments that are still to be typed behind a line so far; "" where that is not known."""
    words = text.split()
    command, named = found(docs, words)
    if command is None or (len(words) == named and not text.endswith(" ")):
        return ""
    rest = list(command.syntax)
    for _ in words[named:]:
        if not rest or rest[0].startswith("["):  # from the first optional one on it is anybody's guess
            break
        if " " in rest[0]:
            rest[0] = rest[0].partition(" ")[2]
        else:
            del rest[0]
    return " ".join(rest)


def _command(name: str, facts: Mapping[str, Value]) -> CommandDocs:
    return CommandDocs(
        name=name.replace("|", " "),
        summary=_text(facts.get("summary")),
        since=_text(facts.get("since")),
        complexity=_text(facts.get("complexity")),
        syntax=tuple(_argument(_mapping(argument)) for argument in _list(facts.get("arguments"))),
        subcommands={
            _name(below).partition("|")[2]: _command(_name(below), _mapping(its))
            for below, its in _pairs(facts.get("subcommands"))
        },
    )


def _argument(facts: Mapping[str, Value]) -> str:
    """As redis-cli writes it: SET key value [NX | XX] [EX seconds | …]."""
    flags = {_text(flag) for flag in _list(facts.get("flags"))}
    token = _text(facts.get("token")) or ('""' if "token" in facts else "")
    match _text(facts.get("type")):
        case "pure-token":
            text, token = token, ""
        case "oneof":
            text = " | ".join(_argument(_mapping(one)) for one in _list(facts.get("arguments")))
        case "block":
            text = " ".join(_argument(_mapping(one)) for one in _list(facts.get("arguments")))
        case _:
            text = _text(facts.get("display_text")) or _text(facts.get("name"))
    whole = f"{token} {text}" if token else text
    if "multiple" in flags:
        whole += f" [{whole if 'multiple_token' in flags else text} ...]"
    if "optional" in flags:
        return f"[{whole}]"
    return f"<{whole}>" if " | " in whole and not token else whole


# ---- values: maps are flat lists before RESP3, text is a status or not


def _pairs(value: Value) -> list[tuple[Value, Value]]:
    match value:
        case Map(pairs):
            return pairs
        case list(items):
            return list(zip(items[::2], items[1::2], strict=False))
    return []


def _mapping(value: Value) -> dict[str, Value]:
    return {_text(name): fact for name, fact in _pairs(value)}


def _list(value: Value) -> list[Value]:
    match value:
        case list(items) | Set(items):
            return items
    return []


def _text(value: Value) -> str:
    match value:
        case bytes(text) | Status(text):
            return text.decode(errors="replace")
    return ""


def _name(value: Value) -> str:
    return _text(value).upper()
