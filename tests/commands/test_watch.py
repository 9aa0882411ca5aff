"""Watch: events of certain jobs go to the inbox of who waits for them, until the job ends or the watch runs out."""

from tests.commands.engine import LEASE_MS, Engine, new, word

LOST = LEASE_MS / 1000 + 0.001


async def test_a_watcher_learns_how_the_job_stands_now(engine: Engine) -> None:
    await engine.enqueue("email", "email")
    await engine.complete(await engine.claim_one())
    assert [(job.id, job.status.state) for job in await engine.watch(1, 2, 3)] == [(1, "completed"), (2, "waiting")]


async def test_a_watcher_gets_what_happens_from_then_on(engine: Engine) -> None:
    await engine.enqueue("email", "email")
    await engine.watch(1)
    one, _ = await engine.claim()
    await engine.report(word(one, "progress", b"5 "), word(one, "log", b"a"))
    await engine.fail(one, retry_ms=0, body=b"why\ntrace")
    await engine.complete(await engine.claim_one(), body=b"42")
    assert [(told.event, told.id, told.detail) for told in await engine.happened("me")] == [
        ("start", 1, b""),
        ("progress", 1, b"5 "),
        ("log", 1, b"a"),
        ("failed attempt", 1, b"why\ntrace"),
        ("promotion", 1, b""),
        ("start", 1, b""),
        ("complete", 1, b"42"),
    ]


async def test_the_watch_ends_with_the_job(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 4, new(due=b"+1"))
    await engine.watch(1, 2, 3, 4, 5)
    first, second, third = await engine.claim(most=3)
    await engine.complete(first)
    await engine.fail(second)
    await engine.settle((*third.holding, b"discard", b"", b""))
    await engine.act("cancel", 4)
    assert await engine.command("HKEYS", engine.key("watch")) == [b"a5"]
    await engine.act("remove", 5)
    assert await engine.command("EXISTS", engine.key("watch")) == 0
    assert sorted(await engine.events("me"))[-1] == ("start", 3)
    assert {event for event, _ in await engine.events("me")} == {"start", "complete", "failed", "cancel", "remove"}


async def test_the_watch_ends_with_the_last_rescue(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.claim_one()
    await engine.watch(1)
    engine.clock.advance(LOST)
    await engine.claim(poison=0)
    assert await engine.events("me") == [("failed", 1)]
    assert await engine.command("EXISTS", engine.key("watch")) == 0


async def test_an_expired_watcher_hears_nothing(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.watch(1, inbox="early", watch_ms=1000)
    await engine.watch(1, inbox="late", watch_ms=2000)
    engine.clock.advance(1)
    await engine.claim()
    assert await engine.events("early") == []
    assert await engine.events("late") == [("start", 1)]


async def test_who_watches_again_is_told_once_and_longer(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.watch(1, watch_ms=1000)
    engine.clock.advance(0.5)
    await engine.watch(1, watch_ms=1000)
    engine.clock.advance(0.7)
    await engine.claim()
    assert await engine.events("me") == [("start", 1)]


async def test_expired_watchers_are_forgotten_by_the_next(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.watch(1, inbox="a", watch_ms=1000)
    engine.clock.advance(2)
    await engine.watch(1, inbox="b", watch_ms=1000)
    assert b":a" not in await engine.command("HGET", engine.key("watch"), "a1")


async def test_a_job_that_has_ended_is_not_watched(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.act("cancel", 1)
    await engine.watch(1)
    assert await engine.command("EXISTS", engine.key("watch")) == 0


async def test_an_inbox_expires_by_itself(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.watch(1)
    await engine.claim()
    assert 0 < await engine.command("PTTL", engine.key("inbox:me")) <= 300_000
