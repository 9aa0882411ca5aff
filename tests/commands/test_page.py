"""Page: a line slice by slice, either way round, without repeats or holes while jobs come and go."""

import pytest

from barq.protocol import reads
from barq.protocol.reads import Slice
from barq.states import State
from tests.commands.engine import Engine

Place = tuple[float, int] | None


async def page(
    engine: Engine, state: str, most: int, *, newest_first: bool = False, after: Place = None, skip: int = 0
) -> tuple[list[int], Place]:
    """The ids of a page, and the place to go on from."""
    call = reads.page(engine.space, "email", State(state), newest_first=newest_first, after=after, most=most, skip=skip)
    found: Slice = await engine.send(call)
    return [job.id for job in found.jobs], (found.jobs[-1].status.score, found.jobs[-1].id) if found.more else None


async def walk(engine: Engine, state: str, most: int, *, newest_first: bool) -> list[list[int]]:
    ids, place = await page(engine, state, most, newest_first=newest_first)
    pages = [ids]
    while place is not None:
        ids, place = await page(engine, state, most, newest_first=newest_first, after=place)
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


@pytest.mark.parametrize("state", ["waiting", "active"])
@pytest.mark.parametrize("newest_first", [False, True])
async def test_jobs_are_skipped_also_behind_a_place(engine: Engine, state: str, newest_first: bool) -> None:
    line = await engine.enqueue(*["email"] * 6)
    if state == "active":
        await engine.claim()
    if newest_first:
        line = line[::-1]
    for skip in range(8):
        ids, place = await page(engine, state, 2, newest_first=newest_first, skip=skip)
        assert ids == line[skip : skip + 2]
        assert (place is not None) == (skip < 4)
    _, place = await page(engine, state, 2, newest_first=newest_first)
    ids, _ = await page(engine, state, 2, newest_first=newest_first, after=place, skip=1)
    assert ids == line[3:5]


async def test_a_page_goes_on_behind_its_last_job_when_others_leave(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 6)
    _, place = await page(engine, "waiting", 3)
    await engine.act("remove", 1, 2)
    assert await page(engine, "waiting", 3, after=place) == ([4, 5, 6], None)


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("gone", [(3,), (1, 3), (3, 4), (1, 2, 3, 4, 5), (2, 3, 4, 6)])
async def test_a_page_goes_on_at_its_place_when_its_last_job_has_left(
    engine: Engine, gone: tuple[int, ...], newest_first: bool
) -> None:
    await engine.enqueue(*["email"] * 5)
    ids, place = await page(engine, "waiting", 3, newest_first=newest_first)
    assert place == (0, 3)
    await engine.act("remove", *(job_id for job_id in gone if job_id <= 5))
    expected = [job_id for job_id in (1, 2, 3, 4, 5) if job_id not in gone and job_id not in ids]
    if newest_first:
        expected.reverse()
    assert (await page(engine, "waiting", 3, newest_first=newest_first, after=place))[0] == expected


async def test_a_page_goes_on_behind_its_last_job_when_others_come(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 3)
    _, place = await page(engine, "waiting", 2, newest_first=True)
    await engine.enqueue("email", "email")
    assert await page(engine, "waiting", 2, newest_first=True, after=place) == ([1], None)


async def test_an_empty_line_is_an_empty_page(engine: Engine) -> None:
    assert await page(engine, "active", 5) == ([], None)
    await engine.enqueue("email")
    assert await page(engine, "active", 5) == ([], None)
    assert await page(engine, "active", 5, newest_first=True) == ([], None)
