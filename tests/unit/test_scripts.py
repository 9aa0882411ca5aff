"""Scripts: every Lua file says in its header what it does, and does no more."""

import re
from importlib import resources

import pytest

from barq.protocol import scripts
from barq.protocol.scripts import command_names, header, script
from barq.states import EVENTS, State

LUA = resources.files("barq.protocol") / "lua"
MOVES_OF_LIBRARY = {"due"}
"""Files of lua/lib that move jobs for every command that uses them. forget.lua moves what its callers name."""

Move = tuple[State | None, State | None]


def body(folder: str, name: str) -> str:
    text = (LUA / folder / f"{name}.lua").read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))


def text_of(name: str) -> str:
    """The body of a command with its steps and those parts of the library that move jobs."""
    uses = header(name).get("uses", "").split()
    steps = re.findall(r"^-- step: (\w+)$", (LUA / "commands" / f"{name}.lua").read_text("utf-8"), re.MULTILINE)
    return "\n".join(
        [
            body("commands", name),
            *(body("steps", step) for step in steps),
            *(body("lib", part) for part in uses if part in MOVES_OF_LIBRARY),
        ]
    )


def declared(name: str) -> set[Move]:
    pairs = (move.split(">") for move in header(name).get("moves", "").split())
    return {(state(source), state(target)) for source, target in pairs}


def state(word: str) -> State | None:
    return None if word.lower() == "none" else State(word.lower())


def possible(name: str) -> set[Move]:
    """The moves that the text can make: those with both states written down, those behind a look at EVENT, and prunes."""
    text = text_of(name)
    moves: set[Move] = set()
    for source, target in re.findall(r"\b(?:enter|move)\((?!type, from)\w+, (\w+), (\w+)", text):
        if source != "state":
            moves.add((state(source), state(target)))
        elif guard := re.search(rf"state ~= ([A-Z]+)\b.*?move\(\w+, state, {target}", text, re.DOTALL):
            moves.add((state(guard[1]), state(target)))
        else:
            asked = re.search(rf"EVENT\[state \.\. '>' \.\. {target}\](?: ~= '(\w+)')?", text)
            assert asked is not None, f"{name}: move from an unknown state"
            moves |= {
                (origin, goal)
                for (origin, goal), event in EVENTS.items()
                if goal == state(target) and origin is not None and asked[1] in (None, event)
            }
    return moves | {(state(source), None) for source in re.findall(r"\bprune\([\w.]+, ([A-Z]+),", text)}


@pytest.mark.parametrize("name", command_names())
def test_a_command_declares_the_moves_it_can_make(name: str) -> None:
    assert declared(name) == possible(name)


@pytest.mark.parametrize("name", command_names())
def test_a_command_declares_only_moves_of_the_table(name: str) -> None:
    assert declared(name) <= EVENTS.keys()


def test_every_move_of_the_table_is_made_by_a_command() -> None:
    assert set().union(*map(declared, command_names())) == EVENTS.keys()


@pytest.mark.parametrize("name", command_names())
def test_states_are_written_only_by_enter(name: str) -> None:
    text = text_of(name)
    states = "|".join(one.name for one in State)
    for call in re.findall(r"call\('ZADD'[^\n]*", text):
        if re.search(rf"line\(type, (?:{states})\)", call):
            assert "'XX'" in call or "+inf" in call, call


@pytest.mark.parametrize("name", command_names())
def test_the_header_tells_everything(name: str) -> None:
    head = header(name)
    assert {name, "returns", "flags"} <= head.keys()
    assert head["flags"] in ("deny-oom", "allow-oom", "no-writes")
    assert not declared(name) or head["flags"] != "no-writes"


@pytest.mark.parametrize("name", command_names())
def test_what_writes_takes_again_first(name: str) -> None:
    if script(name).writes:
        assert header(name)["args"].split()[:2] == ["again", "now"]


@pytest.mark.parametrize("name", command_names())
def test_no_body_counts_positions(name: str) -> None:
    assert not re.search(r"\b(ARGV|KEYS)\b", body("commands", name))


@pytest.mark.parametrize("name", command_names())
def test_every_key_begins_with_the_prefix_of_the_queue(name: str) -> None:
    keyed = re.findall(r"call\('(?:MEMORY', ')?(\w+)', ([^,)]+)", script(name).plain_source.decode())
    for command, key in keyed:
        assert key.startswith(("prefix", "line(", "key", "once", "said", "log", "'log")) or command in (
            "DEL",
            "INFO",
        ), (
            command,
            key,
        )


@pytest.mark.parametrize("name", command_names())
def test_the_modern_script_is_the_plain_one_with_its_flags(name: str) -> None:
    one = script(name)
    first, _, rest = one.source.partition(b"\n")
    assert first.startswith(b"#!lua")
    assert rest == one.plain_source
    assert (b"allow-oom" in first, b"no-writes" in first) == (one.flags == "allow-oom", one.flags == "no-writes")
    assert one.sha != one.plain_sha


def test_an_unknown_command_has_no_script() -> None:
    with pytest.raises(FileNotFoundError):
        script("nothing")


def test_what_a_command_does_not_use_is_left_out() -> None:
    sources = {name: script(name).plain_source.decode() for name in command_names()}
    for name, source in sources.items():
        for function, table in re.findall(r"^local (?:function (\w+)\(|([A-Z_]+) = \{)", source, re.MULTILINE):
            assert len(re.findall(rf"\b{function or table}\b", source)) > 1, f"{name}: {function or table}"
    assert "local STATES" in sources["counts"]
    assert "local STATES" not in sources["turn"]


def test_a_move_that_the_header_does_not_declare_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    read = scripts._read
    monkeypatch.setattr(scripts, "_read", lambda *of: read(*of).replace("none>waiting", ""))
    with pytest.raises(ValueError, match="NONE > WAITING is not among the moves"):
        script.__wrapped__("enqueue")
