"""Enqueue: what the script stores, and that repeating it stores nothing."""

import barq


async def test_ids_grow_by_one_over_all_types(queue: barq.Queue) -> None:
    jobs = [await queue.enqueue(type_) for type_ in ("email", "push", "email")]
    assert [job.id for job in jobs] == [1, 2, 3]
