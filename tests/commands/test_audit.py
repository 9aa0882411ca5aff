"""Audit: every act of a person is written down by the script that acts, in the same call."""

from typing import Any

from barq.audit import Act
from tests.commands.engine import Engine


def told(act: Act) -> tuple[str, str, Any, Any, int]:
    return act.act, act.target, act.before, act.after, act.count


async def test_acts_on_jobs_say_from_which_states(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 4)
    one, two = await engine.claim(most=2)
    await engine.complete(one)
    await engine.fail(two)
    await engine.act("cancel", 3, by="ada")
    await engine.act("retry", 1, 2, 3, 4, 99, by="bob")
    await engine.act("cancel", 4, by="ada")
    await engine.act("remove", 4, by="ada")
    remove, cancel, retry, first = await engine.audit()
    assert told(first) == ("cancel", "job 3", "waiting", "cancelled", 1)
    assert told(retry) == ("retry", "jobs 1, 2, 3", {"completed": 1, "failed": 1, "cancelled": 1}, "waiting", 3)
    assert told(cancel) == ("cancel", "job 4", "waiting", "cancelled", 1)
    assert told(remove) == ("remove", "job 4", "cancelled", None, 1)
    assert [act.by for act in (first, retry)] == ["ada", "bob"]
    assert [act.number for act in (first, retry, cancel, remove)] == [1, 2, 3, 4]
    assert first.at.timestamp() * 1000 == engine.now


async def test_of_many_jobs_some_are_named(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 30)
    await engine.act("cancel", *range(1, 31), by="ada")
    (act,) = await engine.audit()
    assert act.target == f"jobs {', '.join(map(str, range(1, 21)))} and 10 others"
    assert act.count == 30


async def test_what_changed_nothing_is_not_written_down(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.act("retry", 1, 99, by="ada")
    await engine.edit(99, priority=1, by="ada")
    await engine.resume("email", by="ada")
    await engine.order("w1", "drain")
    assert await engine.audit() == []


async def test_what_programs_do_is_not_written_down(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.act("cancel", 1)
    await engine.edit(1, priority=1)
    await engine.pause(by="")
    await engine.resume()
    assert await engine.command("EXISTS", engine.key("audit")) == 0


async def test_a_repeat_is_written_down_once(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.act("cancel", 1, by="ada")
    await engine.repeat()
    await engine.resend()
    assert len(await engine.audit()) == 1


async def test_edits_say_what_was_and_what_is(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.edit(1, priority=-3, data=b'{"to":"bob"}', by="ada")
    await engine.edit(1, data=b"[1]" + b" " * 5000, by="ada")
    long, short = await engine.audit()
    assert told(short) == ("edit", "job 1", {"priority": 0, "data": {}}, {"priority": -3, "data": {"to": "bob"}}, 1)
    assert told(long)[2:4] == (
        {"priority": -3, "data": {"to": "bob"}},
        {"priority": -3, "data": "<more than 2000 bytes>"},
    )


async def test_pauses_and_orders_are_written_down(engine: Engine) -> None:
    await engine.pause("email", reason="provider", lasts_ms=5)
    await engine.pause("email", reason="still")
    await engine.resume("email", by="bob")
    await engine.beat("w1")
    await engine.order("w1", "drain")
    order, resume, again, first = await engine.audit()
    one = {"by": "ada", "reason": "provider", "at": engine.now, "until": engine.now + 5}
    two = {"by": "ada", "reason": "still", "at": engine.now}
    assert told(first) == ("pause", "type email", None, one, 1)
    assert told(again) == ("pause", "type email", one, two, 1)
    assert told(resume) == ("resume", "type email", two, None, 1)
    assert told(order) == ("drain", "worker w1", "work", "drain", 1)
