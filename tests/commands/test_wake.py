"""Wake: the marker that idle workers block on is there whenever a job can be claimed."""

from tests.commands.engine import Engine


async def test_a_claim_that_leaves_jobs_behind_sets_the_marker(engine: Engine) -> None:
    await engine.enqueue("email", "email", "push")
    await engine.unmark("email")
    await engine.unmark("push")
    await engine.claim(["email", "push"], 2)
    assert await engine.marked("email")
    assert not await engine.marked("push")


async def test_a_claim_that_takes_all_sets_no_marker(engine: Engine) -> None:
    await engine.enqueue("email", "email")
    await engine.unmark()
    await engine.claim()
    assert not await engine.marked()


async def test_a_claim_sets_no_marker_for_a_paused_type(engine: Engine) -> None:
    await engine.enqueue("email", "email", "push")
    await engine.pause("email")
    await engine.unmark("email")
    await engine.claim(["email", "push"])
    assert not await engine.marked("email")


async def test_whenever_jobs_wait_after_an_act_the_marker_is_there(engine: Engine) -> None:
    async def release() -> None:
        await engine.release(await engine.claim_one())

    async def retry() -> None:
        await engine.complete(await engine.claim_one())
        await engine.unmark()
        await engine.act("retry", 1)

    async def promote() -> None:
        await engine.fail(await engine.claim_one(), retry_ms=1000)
        await engine.unmark()
        await engine.act("promote", 1)

    async def resume() -> None:
        await engine.pause("email")
        await engine.unmark()
        await engine.resume("email")

    async def resume_queue() -> None:
        await engine.pause()
        await engine.unmark()
        await engine.resume()

    await engine.enqueue("email")
    for act in (release, retry, promote, resume, resume_queue):
        await engine.unmark()
        await act()
        assert await engine.counts() == {"waiting": 1}
        assert await engine.marked(), act.__name__
