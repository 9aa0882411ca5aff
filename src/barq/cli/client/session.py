"""Session: one connection to the server, made when it is first needed and again after a loss, and what it is in the middle of."""

from collections.abc import Generator, Iterator, Sequence
from typing import Final

from barq.errors import BarqError, InvalidValue, PermissionDenied, ServerError, ServerUnreachable
from barq.store import dial
from barq.store.resp import Failure, Push, Status, Value
from barq.store.talk import Wire

SECONDS_TO_CONNECT: Final = 5.0
"""Also to sign in, and for what is asked on the user's behalf. A command itself may block for as long as it likes."""

STREAMS: Final = {b"subscribe", b"psubscribe", b"ssubscribe", b"monitor"}
_ONE_ANSWER_EACH: Final = {b"unsubscribe", b"punsubscribe", b"sunsubscribe"}
_QUEUED: Final = Status(b"QUEUED")


class Session:
    """Sends commands and hands out their answers. Raises BarqError when there is no server, or it refuses to talk."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._wire: Wire | None = None
        try:
            self._database = dial.database(url)
        except ValueError as error:
            raise self._no_url(error) from None
        self._queued: list[Sequence[bytes]] | None = None  # inside a transaction: its commands so far
        self._watching = False
        self._login: Sequence[bytes] = ()  # the AUTH that the user has typed

    def prompt(self) -> str:
        """host:port, the database unless it is 0, and TX inside a transaction."""
        if self._wire is not None and not self._wire.is_open():
            self._hang_up()
        if self._wire is None:
            return "not connected> "
        database = f"[{self._database}]" if self._database else ""
        return f"{self._wire.name}{database}{'(TX)' if self._queued is not None else ''}> "

    @property
    def is_idle(self) -> bool:
        """Whether it is connected, and nothing is begun that a command in between would become a part of."""
        return self._wire is not None and self._queued is None

    def connect(self) -> Wire:
        """Connect and sign in, unless that is done."""
        if self._wire is not None and self._wire.is_open():
            return self._wire
        self._hang_up()
        try:
            wire = dial.dial(self._url, timeout=SECONDS_TO_CONNECT, start=True)
        except ServerError as error:
            raise self._refused(error) from None
        except OSError as error:
            raise ServerUnreachable(
                f"no server at {dial.shown(self._url)} ({_reason(error)}); "
                "`barq server` starts one, --url names another"
            ) from None
        except ValueError as error:
            raise self._no_url(error) from None
        self._wire = wire
        self._set_up(self._login)
        self._set_up([b"SELECT", b"%d" % self._database] if self._database else [])
        wire.wait_for(None)
        return wire

    def ask(self, *words: bytes) -> Value:
        """The answer to a command that is not the user's own; None when there is no connection for it."""
        if self._wire is None:
            return None
        try:
            self._wire.wait_for(SECONDS_TO_CONNECT)
            self._wire.send(*words)
            answer = self._wire.read()
            self._wire.wait_for(None)
        except BaseException as error:
            self._hang_up()  # or the next command would get this one's answer
            if isinstance(error, OSError):
                raise self._lost(error) from None
            raise
        return answer

    def run(self, words: Sequence[bytes]) -> Generator[Value, None, None]:
        """Send a command and yield its answer. SUBSCRIBE and MONITOR yield until the caller has enough.

        A command is never sent twice: when the connection is lost before the answer has come, it may have run.
        """
        name = words[0].lower()
        wire = self._fresh_wire()
        if reason := self._not_here(words):
            yield Failure(b"ERR barq cli: " + reason)
            return
        try:
            wire.send(*words)
            yield from self._answers(wire, words)
        except OSError as error:
            self._hang_up()
            if name != b"shutdown":  # which is answered by hanging up
                raise self._lost(error) from None
        except BaseException:  # Ctrl-C, or the caller has enough: an answer may still come
            self.close()
            raise

    def close(self) -> None:
        """Hang up, and forget what was begun."""
        self._hang_up()
        self._queued, self._watching = None, False

    # ---- answers

    def _answers(self, wire: Wire, words: Sequence[bytes]) -> Iterator[Value]:
        name = words[0].lower()
        expected = max(1, len(words) - 1) if name in _ONE_ANSWER_EACH else 1
        while expected:
            answer = wire.read()
            if isinstance(answer, Push) and name not in STREAMS | _ONE_ANSWER_EACH:
                yield answer  # said unasked
                continue
            self._note(words, answer)
            yield answer
            failed = isinstance(answer, Failure)
            expected = 0 if failed else expected if name in STREAMS else expected - 1

    def _not_here(self, words: Sequence[bytes]) -> bytes:
        """Why a command can't be sent, as no answer could be made out after it."""
        match [word.lower() for word in words[:3]]:
            case [b"sync" | b"psync" | b"replsync", *_]:
                return b"it is for replicas"
            case [b"client", b"reply", b"off" | b"skip"]:
                return b"it waits for the answers that this would turn off"
            case [name, *_] if self._queued is not None and name in STREAMS | _ONE_ANSWER_EACH:
                return b"this can't be followed inside a transaction: EXEC or DISCARD it first"
        return b""

    def _note(self, words: Sequence[bytes], answer: Value) -> None:
        """Follow what the connection is in the middle of, for the prompt and for what a loss means."""
        if answer == _QUEUED and self._queued is not None:
            self._queued.append(words[:2])
            return
        done = not isinstance(answer, Failure)
        match [word.lower() for word in words[:2]]:
            case [b"multi"] if done:
                self._queued = []
            case [b"exec" | b"discard"]:
                queued, self._queued = self._queued or [], None
                self._watching = False
                for command, its_answer in zip(queued, answer if isinstance(answer, list) else [], strict=False):
                    self._note(command, its_answer)
            case [b"watch", *_] if done:
                self._watching = True
            case [b"unwatch"] if done:
                self._watching = False
            case [b"select", number] if done:
                self._database = int(number)
            case [b"auth", *_] if done:
                self._login = words
            case [b"reset"] if done:
                self._database, self._queued, self._watching, self._login = 0, None, False, ()

    # ---- the connection

    def _fresh_wire(self) -> Wire:
        """The connection; a new one where the server has hung up, unless that changes what the next command means."""
        begun = "transaction" if self._queued is not None else "WATCH" if self._watching else ""
        if begun and not (self._wire is not None and self._wire.is_open()):
            self.close()
            raise ServerUnreachable(f"the connection was lost, and the {begun} with it: nothing was run, begin again")
        return self.connect()

    def _set_up(self, words: Sequence[bytes]) -> None:
        if words and isinstance(answer := self.ask(*words), Failure):
            self._hang_up()
            raise self._refused(answer.text.decode(errors="replace"))

    def _hang_up(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    # ---- errors

    def _lost(self, error: OSError) -> ServerUnreachable:
        where = dial.shown(self._url)
        return ServerUnreachable(f"the connection to {where} ended before the answer was there ({_reason(error)})")

    def _refused(self, reason: object) -> BarqError:
        if isinstance(reason, ServerError) and type(reason) is not ServerError:
            return reason  # of the bundled server, in words of its own
        return PermissionDenied(f"the server at {dial.shown(self._url)} refused: {reason}")

    def _no_url(self, error: ValueError) -> InvalidValue:
        return InvalidValue(f"url {dial.shown(self._url)!r} can't be used: {error}")


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or "no answer"
