"""The console blocks of a page, typed into real terminals; what these show has to be what the page shows.

A block begins with ```console, or with ```console NAME for another terminal than the first. In it
- `$ COMMAND`, and `>` behind the prompt of a program, are typed when the terminal shows the prompt; `^C` is Ctrl-C, `^Z` Ctrl-Z,
- all other lines are what the terminal shows, `…` stands for any text, and on a line of its own for any lines,
- 4711 stands for the last process id that was shown.
A block without a command goes on where its terminal's last block ended. Each time all that a terminal has shown since it
was opened is compared, so nothing can appear that the page does not tell.

A block that begins with ```python FILE shows a part of a file that is there, or is what the person writes into a new one.
"""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.cli.terminal import CTRL_C, ENTER, Terminal
from tests.support import wait_until

_BLOCK = re.compile(r"^```(?:(console)(?: (\w+))?|python (\S+))\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_TYPED = re.compile(r"(\$ |[\w.:]+> |\^C|\^Z)(.*)")
_PID = "4711"
_KEYS = {"^C": CTRL_C, "^Z": "\x1a"}
_JOB_NOTICE = re.compile(r"\n*\[\d\][-+]? +(?:Stopped|Killed).*")  # the shell's own, which comes when it likes


@dataclass
class Told:
    """What the page tells of one terminal."""

    terminal: Terminal
    lines: list[str] = field(default_factory=list)


class Reader:
    """Does what a page tells, block by block, in a folder.

    `names` are words of the page and what they are here, such as ports.
    """

    def __init__(
        self, folder: Path, names: dict[str, str], open_terminal: Callable[[], AbstractContextManager[Terminal]]
    ) -> None:
        self._folder = folder
        self._programs = {path.name: path.read_text() for path in folder.iterdir() if path.suffix == ".py"}
        self._here = names
        self._open = open_terminal
        self._told: dict[str, Told] = {}
        self._pid = ""
        self._stack = ExitStack()

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def read(self, page: str) -> None:
        for console, terminal, file, text in _BLOCK.findall(page):
            if console:
                self._do(self._terminal(terminal), _JOB_NOTICE.sub("", text).splitlines())
            elif file in self._programs:
                assert text in self._programs[file], f"{file} has no such lines:\n{text}"
            else:
                (self._folder / file).write_text(text)
        for told in self._told.values():  # a page ends what it started
            self._compare(told, prompt="$ ")

    def _terminal(self, name: str) -> Told:
        if name not in self._told:
            self._told[name] = Told(self._stack.enter_context(self._open()))
        return self._told[name]

    def _do(self, told: Told, lines: list[str]) -> None:
        for line in lines:
            typed = _TYPED.fullmatch(line)
            if typed is None:
                told.lines.append(line)
                continue
            prompt, keys = typed.groups()
            self._compare(told, prompt="" if prompt in _KEYS else prompt)
            told.terminal.type(_KEYS.get(prompt) or self._as_here(keys) + ENTER)
            told.lines.append(line)
        self._compare(told, prompt=None)

    def _compare(self, told: Told, *, prompt: str | None) -> None:
        """Wait until the terminal shows what was told, and then this prompt (None: any, or none)."""
        expected = pattern(told.lines, prompt)
        seen = ""
        looked_at: list[str] | None = None

        def matches() -> bool:
            nonlocal seen, looked_at
            lines = told.terminal.lines
            if lines is looked_at:  # nothing has come, and matching a long page takes its time
                return False
            looked_at = lines
            seen = self._as_told("".join(f"{line}\n" for line in lines))
            found = expected.fullmatch(seen)
            if found is not None:
                self._pid = next((pid for pid in reversed(found.groups()) if pid is not None), self._pid)
            return found is not None

        try:
            wait_until(matches, "the terminal shows it", seconds=40)
        except AssertionError:
            page = "\n".join(told.lines)
            raise AssertionError(f"the page tells\n\n{page}\n\nbut the terminal shows\n\n{seen}") from None

    def _as_here(self, text: str) -> str:
        for name, here in self._here.items():
            text = text.replace(name, here)
        return text.replace(_PID, self._pid)

    def _as_told(self, text: str) -> str:
        for name, here in self._here.items():
            text = text.replace(here, name)
        text = re.sub(r"(\^[CZ])(?=.)", r"\1\n", text)  # what comes then may stand in the same line,
        text = re.sub(r"(?<=[]}])\$(?=[ \n])", "\n$", text)  # and so does a prompt behind JSON
        return _JOB_NOTICE.sub("", text)


def pattern(lines: list[str], prompt: str | None) -> re.Pattern[str]:
    """What a terminal shows that was told these lines, and then has this prompt (None: any, or none)."""
    parts = []
    for line in lines:
        if line == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(re.escape(line.rstrip()).replace("…", ".*?").replace(_PID, r"(\d+)") + r"\n")
    if prompt is None:
        parts.append(r"(?:(?:\$|[\w.:]+>)\n)?")
    elif prompt:
        parts.append(re.escape(prompt.rstrip()) + r"\n")
    return re.compile("".join(parts))
