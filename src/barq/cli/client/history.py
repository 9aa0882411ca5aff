"""History: the lines typed at the prompt, in a file of the user's own. Lines with passwords are not kept."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Final

from prompt_toolkit.history import FileHistory, History

from barq.cli.client.words import has_secret

MAX_BYTES: Final = 500_000
"""When it is larger at the start, the older half goes."""


def open_history() -> History:
    """The user's history; where its file can't be written, one for this session."""
    try:
        path = _folder() / "cli_history"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
        _shorten(path)
    except (OSError, RuntimeError):  # the latter where the user has no home
        path = Path(os.devnull)
    return _History(path)


def _folder() -> Path:
    """$XDG_STATE_HOME/barq, or what is usual on the system."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "barq"
    given = os.environ.get("XDG_STATE_HOME", "")
    return (Path(given) if os.path.isabs(given) else Path.home() / ".local" / "state") / "barq"


def _shorten(path: Path) -> None:
    if path.stat().st_size <= MAX_BYTES:
        return
    text = path.read_bytes()
    text = text[text.find(b"\n# ", len(text) // 2) :]  # each entry begins with its time
    new = path.with_suffix(".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(text)
    new.replace(path)


class _History(FileHistory):
    def append_string(self, string: str) -> None:
        if not has_secret(string):
            super().append_string(string)

    def store_string(self, string: str) -> None:
        with contextlib.suppress(OSError):  # a full disk is no reason not to run the command
            super().store_string(string)
