"""Scripts: one Lua file per command, assembled with the shared functions it uses and with its arguments by name.

The header of a command names its arguments, so that no body counts positions:

    -- args: again now lease_ms        what every call gives once; `again` is 1 when a call is sent again
    -- each: type id token             what follows for each item; `for i, type, id, token in each() do`,
                                       or for some of them `for i, type, id, token in each(first, last) do`
                                       (of several groups each_NAME, all but the last are counted by an argument NAME_count);
                                       of one with a single field also `{each_NAME()}` for all, `each_NAME(n)` for the nth
    -- flags: deny-oom | allow-oom | no-writes
    -- uses: clock lines               files of lua/lib
    -- moves: waiting>active           the only moves it can make; their events come from the table of states

ROOM in a table makes room for eight more entries: it need not grow for those, which costs as much as making it.

A line `-- step: NAME` in a body, a step or a shared part stands for the file NAME of lua/steps, which runs at that place.

What is assembled runs anew at every call, so it holds only what the command needs: functions and tables that it does not
use are left out, and the event of a move is looked up here. Still, what several commands do once each is a step and no
function: a function that reads many names from around it takes ten times as long to make as to call.
"""

import functools
import hashlib
import os
import re
from collections import Counter

import msgspec

from barq.states import EVENTS, Move, State, rendered_for_lua

_LUA = os.path.join(os.path.dirname(__file__), "lua")
_LIBRARY = (
    "clock",
    "sums",
    "lines",
    "settings",
    "events",
    "terms",
    "forget",
    "look",
    "rank",
    "merged",
    "once",
    "audit",
    "acted",
    "anew",
    "due",
    "sizes",
)  # in the order they build on each other
_SHEBANG = {"deny-oom": "#!lua\n", "allow-oom": "#!lua flags=allow-oom\n", "no-writes": "#!lua flags=no-writes\n"}
_LOOP = re.compile(r"for ([\w, ]+) in (each\w*)\(([\w, ]*)\) do")
_VALUES = re.compile(r"\b(each\w*)\(([^()]*)\)")
_STEP = re.compile(r"^ *-- step: (\w+)$", re.MULTILINE)
_HEADER = re.compile(r"^-- (\w+): (.*)$", re.MULTILINE)
_WORD = re.compile(r"\w+")
_ROOM = re.compile(r"\bROOM\b")
_COMMENT = re.compile(r"^ *--.*\n", re.MULTILINE)
_MOVE = re.compile(r"(?<!function )\b(enter|move)\((?!event, )(\w+), (\w+), (\w+), ")
_DEFINITION = re.compile(
    r"^local (?:function (\w+)\((?:[^\n]* end\n|[^\n]*\n.*?^end\n)|([A-Z_]+) = \{[^\n]*\}\n)", re.MULTILINE | re.DOTALL
)


class Script(msgspec.Struct, frozen=True):
    """One command's script: as servers from version 7 take it, and plain for older ones."""

    name: str
    flags: str
    source: bytes
    sha: bytes
    plain_source: bytes
    plain_sha: bytes

    @property
    def writes(self) -> bool:
        return self.flags != "no-writes"


def header(name: str) -> dict[str, str]:
    """The header lines of a command's Lua file."""
    return dict(_HEADER.findall(_read("commands", name)))


def command_names() -> list[str]:
    files = os.listdir(os.path.join(_LUA, "commands"))
    return sorted(file.removesuffix(".lua") for file in files if file.endswith(".lua"))


@functools.cache
def script(name: str) -> Script:
    """Assemble the command `name`."""
    head = header(name)
    uses = head.get("uses", "").split()
    moves = _moves(head.get("moves", ""))
    parts = [_read("lib", "base")]
    if "lines" in uses:
        parts.append(rendered_for_lua(moves))
    groups = {key: fields.split() for key, fields in head.items() if key.startswith("each")}
    parts.append(_named_arguments(head.get("args", "").split(), groups))
    parts += [_with_steps(_read("lib", part)) for part in _LIBRARY if part in uses]
    parts.append(_with_steps(_read("commands", name)))
    plain = _ROOM.sub(", ".join(["nil"] * 8), _COMMENT.sub("", "\n".join(parts)))
    plain = _MOVE.sub(functools.partial(_with_event, moves), plain)
    plain = _LOOP.sub(functools.partial(_written_out, groups), plain)
    plain = _used(_VALUES.sub(functools.partial(_single_values, groups), plain))
    source = (_SHEBANG[head["flags"]] + plain).encode()
    return Script(
        name=name,
        flags=head["flags"],
        source=source,
        sha=_sha(source),
        plain_source=plain.encode(),
        plain_sha=_sha(plain.encode()),
    )


def _with_steps(part: str) -> str:
    return _STEP.sub(lambda step: _with_steps(_read("steps", step[1])), part)


def _used(source: str) -> str:
    """Without functions and tables of constants that nothing names."""
    uses = Counter(_WORD.findall(source))
    while unused := [one for one in _DEFINITION.finditer(source) if uses[one[1] or one[2]] == 1]:
        for one in reversed(unused):
            uses.subtract(_WORD.findall(one[0]))
            source = source[: one.start()] + source[one.end() :]
    return source


def _with_event(moves: list[Move], use: re.Match[str]) -> str:
    """`enter(type, WAITING, ACTIVE, …` gets the move's event as its first argument, which has to be declared."""
    verb, type_, source, target = use.groups()
    if not (source.isupper() and target.isupper()):
        event = f"EVENT[{source} .. '>' .. {target}]"
    else:
        move = tuple(None if word == "NONE" else State[word] for word in (source, target))
        if move not in moves:
            raise ValueError(f"{source} > {target} is not among the moves in the header")
        event = f"'{EVENTS[move]}'"
    return f"{verb}({event}, {type_}, {source}, {target}, "


def _moves(declared: str) -> list[Move]:
    """`none>waiting active>none` as pairs of states."""
    pairs = (move.split(">") for move in declared.split())
    return [tuple(None if word == "none" else State(word) for word in pair) for pair in pairs]  # type: ignore[misc]


def _named_arguments(args: list[str], groups: dict[str, list[str]]) -> str:
    """Locals for the arguments, and for each group of items where it begins and how many there are."""
    lines = []
    if args:
        values = ", ".join(f"ARGV[{position}]" for position in range(1, len(args) + 1))
        lines.append(f"local {', '.join(args)} = {values}")
    begins = str(len(args))
    for group, fields in groups.items():
        counted = group.replace("each_", "") + "_count"
        items = counted if counted in args else f"(#ARGV - {begins}) / {len(fields)}"
        lines.append(f"local {group}_begin, {group}_items = {begins}, {items}")
        begins = f"({group}_begin + {group}_items * {len(fields)})"
    return "\n".join(lines) + "\n"


def _written_out(groups: dict[str, list[str]], loop: re.Match[str]) -> str:
    """`for i, type, id in each() do` as a loop over positions: an iterator would cost a call per job."""
    index, *names = (name.strip() for name in loop[1].split(","))
    group = loop[2]
    fields = groups[group]
    wanted = [(name, at) for at, name in enumerate(names, 1) if name != "_"]
    for name, at in wanted:
        if fields[at - 1] != name:
            raise ValueError(f"item {at} of {group} is called {fields[at - 1]} in the header, not {name}")
    index = "i" if index == "_" else index
    values = ", ".join(f"ARGV[at + {at}]" for _, at in wanted)
    return (
        f"for {index} = {loop[3] or f'1, {group}_items'} do local at = {group}_begin + ({index} - 1) * {len(fields)} "
        f"local {', '.join(name for name, _ in wanted)} = {values}"
    )


def _single_values(groups: dict[str, list[str]], use: re.Match[str]) -> str:
    """All items of a group with one field, or the nth."""
    group, which = use[1], use[2]
    if len(groups[group]) != 1:
        raise ValueError(f"{group} has {len(groups[group])} fields: go through it with `for … in {group}() do`")
    if which:
        return f"ARGV[{group}_begin + {which}]"
    return f"unpack(ARGV, {group}_begin + 1, {group}_begin + {group}_items)"


def _read(folder: str, name: str) -> str:
    with open(os.path.join(_LUA, folder, f"{name}.lua"), encoding="utf-8") as file:
        return file.read()


def _sha(source: bytes) -> bytes:
    return hashlib.sha1(source, usedforsecurity=False).hexdigest().encode()
