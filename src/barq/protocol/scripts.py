"""Scripts: one Lua file per command, assembled with the shared functions it uses and with its arguments by name.

The header of a command names its arguments, so that no body counts positions:

    -- args: again now lease_ms        what every call gives once; `again` is 1 when a call is sent again
    -- each: type id token             what follows for each item; `for i, type, id, token in each() do`
    -- flags: deny-oom | allow-oom | no-writes
    -- uses: clock lines               files of lua/lib
    -- moves: waiting>active           checked by a test against the table of states
"""

import functools
import hashlib
import re
from dataclasses import dataclass
from importlib import resources

from barq.states import rendered_for_lua

_LIBRARY = ("clock", "lines", "settings", "events", "forget", "look", "due")  # in the order they build on each other
_SHEBANG = {"deny-oom": "#!lua\n", "allow-oom": "#!lua flags=allow-oom\n", "no-writes": "#!lua flags=no-writes\n"}
_HEADER = re.compile(r"^-- (\w+): (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
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
    folder = resources.files(__package__) / "lua" / "commands"
    return sorted(entry.name.removesuffix(".lua") for entry in folder.iterdir() if entry.name.endswith(".lua"))


@functools.cache
def script(name: str) -> Script:
    """Assemble the command `name`."""
    head = header(name)
    uses = head.get("uses", "").split()
    parts = [_read("lib", "base")]
    if "lines" in uses:
        parts.append(rendered_for_lua())
    parts += [_read("lib", part) for part in _LIBRARY if part in uses]
    parts += [_named_arguments(head.get("args", "").split(), head.get("each", "").split())]
    parts += [_read("commands", name)]
    plain = "\n".join(parts)
    source = (_SHEBANG[head["flags"]] + plain).encode()
    return Script(
        name=name,
        flags=head["flags"],
        source=source,
        sha=_sha(source),
        plain_source=plain.encode(),
        plain_sha=_sha(plain.encode()),
    )


def _named_arguments(args: list[str], each: list[str]) -> str:
    lines = []
    if args:
        values = ", ".join(f"ARGV[{position}]" for position in range(1, len(args) + 1))
        lines.append(f"local {', '.join(args)} = {values}")
    if each:
        items = ", ".join(f"ARGV[at + {position}]" for position in range(1, len(each) + 1))
        lines.append(
            f"local items = (#ARGV - {len(args)}) / {len(each)}\n"
            "local function next_item(_, i)\n"
            "  if i < items then\n"
            f"    local at = {len(args)} + i * {len(each)}\n"
            f"    return i + 1, {items}\n"
            "  end\n"
            "end\n"
            "local function each() return next_item, nil, 0 end"
        )
    return "\n".join(lines) + "\n"


def _read(folder: str, name: str) -> str:
    return (resources.files(__package__) / "lua" / folder / f"{name}.lua").read_text("utf-8")


def _sha(source: bytes) -> bytes:
    return hashlib.sha1(source, usedforsecurity=False).hexdigest().encode()
