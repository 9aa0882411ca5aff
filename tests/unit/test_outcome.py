"""Outcome: where in the application's own code an error came from."""

import json
import sysconfig
from pathlib import Path

import msgspec
import pytest

import barq
from barq.outcome import decode_error, encode_error, place_of

HERE = Path(__file__).name


def caught(function: object) -> BaseException:
    try:
        function()  # type: ignore[operator]
    except BaseException as error:
        return error
    raise AssertionError("it did not raise")


def line_of(text: str) -> int:
    (found,) = [number for number, line in enumerate(Path(__file__).read_text().splitlines(), 1) if text in line]
    return found


def reads_json() -> None:
    json.loads("no JSON")  # own line of json


def calls_it() -> None:
    reads_json()


def compiled(file: str) -> object:
    """A function that raises, as if it stood in that file."""
    names: dict[str, object] = {}
    exec(compile("def raises():\n    raise ValueError('x')\n", file, "exec"), names)  # noqa: S102
    return names["raises"]


def test_the_innermost_own_line_is_the_place() -> None:
    assert place_of(caught(calls_it)) == f"{HERE}:{line_of('own line of ' + 'json')}"


def test_installed_packages_are_not_own() -> None:
    installed = compiled(f"{sysconfig.get_path('purelib')}/shop/mail.py")

    def own() -> None:
        installed()  # type: ignore[operator]  # own line of a package

    assert place_of(caught(own)) == f"{HERE}:{line_of('own line of a ' + 'package')}"


def test_an_application_that_is_installed_itself_has_a_place_all_the_same() -> None:
    error = caught(compiled(f"{sysconfig.get_path('purelib')}/shop/mail.py"))
    assert error.__traceback__ is not None
    error.__traceback__ = error.__traceback__.tb_next  # without the frame of this file
    assert place_of(error) == "mail.py:2"


@pytest.mark.parametrize("error", [ValueError("never raised"), TimeoutError()])
def test_an_error_that_nobody_raised_has_none(error: Exception) -> None:
    assert place_of(error) == ""
    assert b"place" not in encode_error(error).partition(b"\n")[0]


@pytest.mark.parametrize(("file", "place"), [("cli/demo_jobs.py", "demo_jobs.py:2"), ("worker/run.py", "")])
def test_the_jobs_of_the_demo_have_a_place_though_they_come_with_barq(file: str, place: str) -> None:
    error = caught(compiled(str(Path(barq.__file__).parent / file)))
    assert error.__traceback__ is not None
    error.__traceback__ = error.__traceback__.tb_next  # without the frame of this file
    assert place_of(error) == place


def test_the_place_is_read_back_and_older_records_have_none() -> None:
    error = decode_error(encode_error(caught(reads_json)))
    assert (error.type, error.place) == ("JSONDecodeError", f"{HERE}:{line_of('own line of ' + 'json')}")
    assert decode_error(b'{"type":"E","message":"m"}\ntrace').place == ""


def test_releases_that_know_no_place_read_the_error_all_the_same() -> None:
    class Brief(msgspec.Struct):
        type: str
        message: str

    brief, _, _ = encode_error(caught(reads_json)).partition(b"\n")
    assert msgspec.json.decode(brief, type=Brief).type == "JSONDecodeError"
