"""States: the one table of moves, what is derived from it, and the page that tells it."""

import subprocess
import sys

import pytest

from barq.states import ENDINGS, EVENT_NAMES, EVENTS, FINISHED, SIGNALS, State, rendered_for_lua, sources
from tests.support import ROOT


def test_every_state_can_be_left() -> None:
    for state in State:
        assert any(source is state for source, _ in EVENTS), state


def test_a_finished_job_only_waits_again_or_is_forgotten() -> None:
    for state in FINISHED:
        assert {target for source, target in EVENTS if source is state} == {State.WAITING, None}


def test_only_a_running_job_completes_or_fails() -> None:
    assert sources("complete") == sources("failed") == sources("failed attempt") == {State.ACTIVE}


def test_only_a_waiting_job_starts() -> None:
    assert sources("start") == {State.WAITING}


def test_whatever_has_not_ended_can_be_cancelled() -> None:
    assert sources("cancel") == set(State) - FINISHED


def test_a_running_job_is_not_removed() -> None:
    assert sources("remove") == set(State) - {State.ACTIVE}


def test_events_that_end_a_job_lead_to_where_it_stays() -> None:
    for (_, target), event in EVENTS.items():
        assert (event in ENDINGS) == (target in FINISHED or target is None)


def test_signals_are_no_moves() -> None:
    assert not set(SIGNALS) & set(EVENTS.values())
    assert set(EVENT_NAMES) == set(SIGNALS) | set(EVENTS.values())


def test_lua_gets_the_events_of_the_moves_it_declares() -> None:
    text = rendered_for_lua([(None, State.WAITING), (State.ACTIVE, None)])
    assert "['>waiting'] = 'enqueue'" in text
    assert "['active>'] = 'complete'" in text
    assert "promotion" not in text


def test_lua_can_not_declare_a_move_that_is_not_in_the_table() -> None:
    with pytest.raises(KeyError):
        rendered_for_lua([(State.COMPLETED, State.ACTIVE)])


def generate(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "tools" / "generate_state_machine.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_page_of_states_is_fresh() -> None:
    done = generate("--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stale_page_is_noticed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location("generator", ROOT / "tools" / "generate_state_machine.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    monkeypatch.setattr(sys, "argv", ["generate", "--check"])
    assert generator.main() == 0
    monkeypatch.setitem(generator.EVENTS, (State.BLOCKED, State.WAITING), "promotion")
    assert generator.main() == 1
    assert "stale" in capsys.readouterr().err


def test_the_page_names_every_state_event_and_move() -> None:
    text = (ROOT / "docs" / "state-machine.md").read_text()
    for word in [*State, *EVENT_NAMES]:
        assert f"- **{word}**: " in text
    for (source, target), event in EVENTS.items():
        assert f"    {source or '[*]'} --> {target or '[*]'}: {event}\n" in text
