"""Dialogs: a question, a line to type, where to go, and the keys."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

KEYS = """\
/           search: mailbox state:failed age>1h; or a job's id
j k Tab     next and previous row, next list
Enter       open the row
r           retry the job; what failed of a type, asking first
p           pause or resume the type of the row; P the whole queue
c           cancel the job
R C         in a list of jobs: retry, cancel all of it, asking first
← → n b     in a list of jobs: another state, next and previous page
d s         in the list of workers: drain or go on, stop
g o j f w   go to Overview, Jobs, Failures, Workers
q Esc       back; q on the overview ends it, Ctrl-C anywhere
?           these words"""


class Confirm(ModalScreen[bool]):
    """True when the answer is yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter", "dismiss(True)", show=False),
        Binding("n,q,escape", "dismiss(False)", show=False),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Text(self._question, "bold"))
            yield Static(Text("\ny or Enter: yes    n or Esc: no", "dim"))


class Ask(ModalScreen[str | None]):
    """A line at the foot of the screen; None when it was left."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", show=False)]

    def __init__(self, value: str = "") -> None:
        super().__init__()
        self._value = value

    def compose(self) -> ComposeResult:
        with Vertical(classes="line"):
            yield Static("/ ", id="slash")
            yield Input(
                self._value,
                id="words",
                compact=True,
                select_on_focus=False,
                placeholder="words, state:failed, type:email, or an id",
            )

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())


class Go(ModalScreen[str | None]):
    """One key, of a page."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, f"dismiss('{key}')", show=False) for key in "ojfw"),
        Binding("q,escape", "dismiss(None)", show=False),
    ]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static("go to   o Overview   j Jobs   f Failures   w Workers")


class Help(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,escape,question_mark,enter", "dismiss(None)", show=False)]

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog"):
            yield Static(Text("Keys", "bold"))
            for line in KEYS.splitlines():
                yield Static(Text(line[:12], "bold").append(line[12:], "not bold"))
