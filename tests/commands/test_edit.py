"""Edit: another priority, other data, and running again with them."""

import pytest

from barq.states import State
from tests.commands.engine import Engine, new


async def payload(engine: Engine, job_id: int) -> bytes:
    return (await engine.job(job_id)).record.payload


async def test_a_waiting_job_moves_in_its_line(engine: Engine) -> None:
    await engine.enqueue("email", "email", "email")
    assert await engine.edit(3, priority=-1) == ""
    assert await engine.edit(1, priority=2) == ""
    assert await engine.line("waiting") == [3, 2, 1]
    assert [await engine.ids_claimed(most=1) for _ in range(3)] == [[3], [2], [1]]


async def test_a_delayed_job_has_its_priority_when_it_is_due(engine: Engine) -> None:
    await engine.enqueue("email", new(due=b"+1000"))
    await engine.edit(2, priority=-7)
    assert await engine.line("delayed") == [2]
    engine.clock.advance(1)
    assert await engine.ids_claimed() == [2, 1]


@pytest.mark.parametrize("data", [b"", b"[]", b"a\tb\nc\n\x00\xff", b"x" * 200_000])
async def test_data_are_whatever_bytes_they_are(engine: Engine, data: bytes) -> None:
    await engine.enqueue(new(payload=b'{"a":\n1}', priority=5))
    before = (await engine.job(1)).record
    await engine.edit(1, data=data)
    record = (await engine.job(1)).record
    assert record.payload == data
    assert (record.created_ms, record.priority, record.type) == (before.created_ms, 5, "email")


async def test_both_are_changed_at_once(engine: Engine) -> None:
    await engine.enqueue("email", "email")
    await engine.edit(2, priority=-1, data=b"2")
    assert await engine.line("waiting") == [2, 1]
    assert await payload(engine, 2) == b"2"


async def test_a_running_job_is_not_changed(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.claim_one()
    before = await engine.dump()
    assert await engine.edit(1, priority=3, data=b"2") == "active"
    after = await engine.dump()
    assert {key: held for key, held in after.items() if key in before} == before


async def test_a_job_that_is_not_there_is_missing(engine: Engine) -> None:
    assert await engine.edit(1, data=b"2") == "missing"


async def test_a_failed_job_runs_again_with_other_data(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.fail(await engine.claim_one())
    await engine.unmark()
    assert await engine.edit(1, data=b"2", retry=True) == ""
    assert await engine.marked()
    held = await engine.claim_one()
    assert (held.id, held.attempt, held.record.partition(b"\n")[2]) == (1, 2, b"2")


@pytest.mark.parametrize("state", [State.WAITING, State.DELAYED])
async def test_what_has_not_ended_is_not_run_again(engine: Engine, state: State) -> None:
    await engine.enqueue(new(due=b"+1000" if state is State.DELAYED else b""))
    assert await engine.edit(1, data=b"2", retry=True) == state
    assert await payload(engine, 1) == b"{}"


async def test_a_finished_job_is_changed_where_it_is(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.complete(await engine.claim_one())
    await engine.edit(1, data=b"2", priority=4)
    assert await engine.line("completed") == [1]
    assert await payload(engine, 1) == b"2"
    await engine.act("retry", 1)
    assert await engine.line("waiting") == [1]
    assert (await engine.job(1)).status.score == 4


async def test_everybody_is_told(engine: Engine) -> None:
    await engine.enqueue(new(watch=True))
    await engine.edit(1, priority=4)
    (told,) = [one for one in await engine.happened() if one.event == "edit"]
    assert (told.id, told.detail) == (1, b'{"priority":4,"data":false}')
    assert ("edit", 1) in await engine.events("me")


async def test_a_repeat_does_not_undo_what_came_between(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.edit(1, data=b"2")
    first = engine.last
    await engine.edit(1, data=b"3")
    await engine.send(first.again())
    assert await payload(engine, 1) == b"3"
