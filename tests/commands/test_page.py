"""Page: a line slice by slice, either way round, without repeats or holes while jobs come and go."""

import pytest

from barq.protocol import calls
from barq.protocol.calls import Slice
from barq.states import State
from tests.commands.engine import Engine


async def page(
    engine: Engine, state: str, most: int, *, newest_first: bool = False, rank: int = 0, after: int | None = None
) -> tuple[list[int], int | None]:
    call = calls.page(engine.space, "email", State(state), newest_first=newest_first, rank=rank, after=after, most=most)
    found: Slice = await engine.send(call)
    return [job.id for job in found.jobs], found.next_rank


async def walk(engine: Engine, state: str, most: int, *, newest_first: bool) -> list[list[int]]:
    pages = []
    ids, rank = await page(engine, state, most, newest_first=newest_first)
    pages.append(ids)
    while rank is not None:
        ids, rank = await page(engine, state, most, newest_first=newest_first, rank=rank, after=ids[-1])
        pages.append(ids)
    return pages


@pytest.mark.parametrize("state", ["waiting", "active"])
@pytest.mark.parametrize("most", [1, 2, 4, 5, 6])
async def test_pages_are_the_line(engine: Engine, state: str, most: int) -> None:
    ids = await engine.enqueue(*["email"] * 5)
    if state == "active":
        await engine.claim()
    forwards = await walk(engine, state, most, newest_first=False)
    backwards = await walk(engine, state, most, newest_first=True)
    assert [job_id for found in forwards for job_id in found] == ids
    assert [job_id for found in backwards for job_id in found] == ids[::-1]
    assert all(len(found) == most for found in (*forwards[:-1], *backwards[:-1]))
    assert forwards[-1]


async def test_a_page_goes_on_behind_its_last_job_when_others_leave(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 6)
    ids, rank = await page(engine, "waiting", 3)
    assert rank is not None
    await engine.act("remove", 1, 2)
    assert await page(engine, "waiting", 3, rank=rank, after=ids[-1]) == ([4, 5, 6], None)


async def test_a_page_goes_on_at_its_rank_when_its_last_job_has_left(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 6)
    _, rank = await page(engine, "waiting", 3)
    assert rank is not None
    await engine.act("remove", 3)
    assert await page(engine, "waiting", 3, rank=rank, after=3) == ([5, 6], None)


async def test_a_page_goes_on_behind_its_last_job_when_others_come(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 3)
    ids, rank = await page(engine, "waiting", 2, newest_first=True)
    assert rank is not None
    await engine.enqueue("email", "email")
    assert await page(engine, "waiting", 2, newest_first=True, rank=rank, after=ids[-1]) == ([1], None)


async def test_an_empty_line_is_an_empty_page(engine: Engine) -> None:
    assert await page(engine, "active", 5) == ([], None)
    await engine.enqueue("email")
    assert await page(engine, "active", 5) == ([], None)
    assert await page(engine, "active", 5, newest_first=True) == ([], None)
