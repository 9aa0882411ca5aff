"""Claim: who gets which jobs, in which order; what is promoted on the way. See test_rescue.py and test_wake.py."""

from typing import Any

import pytest

from tests.commands.engine import LEASE_MS, Engine, held, new

LOST = LEASE_MS / 1000 + 0.001
"""Seconds after which a lease has run out."""


# ---- order


async def test_jobs_of_one_priority_come_in_the_order_of_their_enqueue(engine: Engine) -> None:
    for _ in range(3):
        await engine.enqueue("email", "email")
    assert await engine.ids_claimed() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("first", [8, 98, 998])
async def test_order_holds_where_ids_get_a_digit_more(engine: Engine, first: int) -> None:
    await engine.command("SET", engine.key("seq"), first)
    await engine.enqueue(*["email"] * 4)
    assert await engine.ids_claimed() == [first + 1, first + 2, first + 3, first + 4]


async def test_the_smaller_priority_comes_first(engine: Engine) -> None:
    await engine.enqueue(*(new(priority=priority) for priority in (0, 10, -15, -5, -15, 2**53 - 1, -(2**53) + 1)))
    assert await engine.ids_claimed() == [7, 3, 5, 4, 1, 2, 6]


async def test_a_claim_takes_no_more_than_it_asks_for(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 5)
    assert await engine.ids_claimed(most=2) == [1, 2]
    assert await engine.counts() == {"waiting": 3, "active": 2}


async def test_a_claim_takes_only_types_it_names(engine: Engine) -> None:
    await engine.enqueue("email", "push")
    assert await engine.ids_claimed("push") == [2]
    assert await engine.ids_claimed("sms") == []


async def test_types_share_a_claim(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 10, *["push"] * 10)
    got = await engine.claim(["email", "push"], 6)
    assert [one.type for one in got] == ["email"] * 3 + ["push"] * 3


async def test_what_one_type_does_not_need_the_others_get(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 10, "push")
    got = await engine.claim(["push", "email"], 6)
    assert sorted(one.type for one in got) == ["email"] * 5 + ["push"]


async def test_the_cap_of_a_type_holds(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 10, *["push"] * 10)
    got = await engine.claim({"email": 1, "push": 100}, 6)
    assert sorted(one.type for one in got) == ["email"] + ["push"] * 5


async def test_a_cap_of_zero_takes_nothing(engine: Engine) -> None:
    await engine.enqueue("email", "push")
    assert await engine.ids_claimed({"email": 0, "push": 5}, 6) == [2]


async def test_many_types_get_at_least_one_each(engine: Engine) -> None:
    types = [f"t{number}" for number in range(8)]
    await engine.enqueue(*types * 3)
    got = await engine.claim(types, 8)
    assert sorted(one.type for one in got) == types


# ---- the lease


async def test_every_attempt_has_a_number_of_its_own(engine: Engine) -> None:
    await engine.enqueue("email")
    first = await engine.claim_one()
    await engine.fail(first, retry_ms=0)
    second = await engine.claim_one()
    await engine.release(second)
    third = await engine.claim_one()
    assert [first.attempt, second.attempt, third.attempt] == [1, 2, 3]


async def test_the_run_says_who_holds_it_since_when(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.claim(worker="w7")
    status = (await engine.job(1)).status
    assert (status.state, status.run.worker, status.run.started_ms) == ("active", "w7", engine.now)
    assert status.score == engine.now + LEASE_MS


async def test_a_repeat_gives_the_same_jobs(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 3, "push")
    first = await engine.claim(["email", "push"], 3)
    assert held(await engine.repeat()) == first
    assert await engine.counts("email") == {"waiting": 1, "active": 2}


async def test_a_repeat_whose_first_sending_was_lost_claims(engine: Engine) -> None:
    await engine.enqueue("email")
    call = engine.claim_call()
    assert [one.id for one in held(await engine.send(call.again()))] == [1]


async def test_a_repeat_gives_nothing_of_another_worker(engine: Engine) -> None:
    await engine.enqueue("email", "email")
    await engine.claim_one(nonce="same", worker="w1")
    other = engine.claim_call(most=1, nonce="same", worker="w2")
    assert [one.id for one in held(await engine.send(other.again()))] == [2]


async def test_a_repeat_gives_no_job_that_was_rescued_meanwhile(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.claim_one()
    first = engine.last
    engine.clock.advance(LOST)
    rescued = await engine.claim_one(worker="w2")
    assert held(await engine.send(first.again())) == []
    assert (await engine.job(1)).status.run.worker == "w2"
    assert rescued.attempt == 2


# ---- due jobs


async def test_a_delayed_job_is_never_early(engine: Engine) -> None:
    await engine.enqueue(new(due=b"+1000"))
    engine.clock.advance(0.999)
    assert await engine.ids_claimed() == []
    assert await engine.counts() == {"delayed": 1}


async def test_a_delayed_job_is_handed_out_when_it_is_due(engine: Engine) -> None:
    await engine.enqueue(new(due=b"+1000"))
    engine.clock.advance(1)
    assert await engine.ids_claimed() == [1]
    assert await engine.events() == [("enqueue", 1), ("promotion", 1), ("start", 1)]


async def test_due_jobs_queue_up_by_priority(engine: Engine) -> None:
    await engine.enqueue(new(due=b"+1000"), new(due=b"+2000", priority=-10), new(priority=5), "email")
    engine.clock.advance(2)
    assert await engine.ids_claimed() == [2, 1, 4, 3]


async def test_an_empty_claim_says_when_the_next_is_due(engine: Engine) -> None:
    await engine.enqueue(new(due=b"+5000"), new("push", due=b"+3000"))
    assert await engine.due_in_ms() == 5000
    assert await engine.due_in_ms(["email", "push"]) == 3000
    assert await engine.due_in_ms("sms") is None


async def test_an_empty_claim_says_when_the_next_lease_runs_out(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.claim(lease_ms=4000)
    assert await engine.due_in_ms() == 4001


async def test_a_claim_without_chores_promotes_and_rescues_nothing(engine: Engine) -> None:
    await engine.enqueue("email", new(due=b"+1000"))
    await engine.claim_one()
    engine.clock.advance(LOST)
    assert await engine.claim(chores=False) == []
    assert await engine.counts() == {"active": 1, "delayed": 1}


async def test_more_due_jobs_than_one_claim_promotes_all_come(engine: Engine) -> None:
    for _ in range(3):
        await engine.enqueue(*[new(due=b"+1000")] * 200)
    engine.clock.advance(1)
    got = [await engine.ids_claimed(most=250) for _ in range(4)]
    assert [len(ids) for ids in got] == [250, 250, 100, 0]
    assert [job_id for ids in got for job_id in ids] == list(range(1, 601))


async def test_a_claim_says_beside_its_jobs_that_more_is_due_than_it_promoted(engine: Engine) -> None:
    for _ in range(2):
        await engine.enqueue(*[new(due=b"+1000")] * 200)
    engine.clock.advance(1)
    first, second = [await engine.send(engine.claim_call(most=10)) for _ in range(2)]
    assert (len(held(first)), first.due_in_ms) == (10, 0)
    assert (len(held(second)), second.due_in_ms) == (10, None)
    assert await engine.counts() == {"active": 20, "waiting": 380}


async def test_one_claim_promotes_250_of_a_type_and_500_in_all(engine: Engine) -> None:
    for type_ in ("email", "push", "sms"):
        for _ in range(2):
            await engine.enqueue(*[new(type_, due=b"+1000")] * 200)
    await engine.pause()
    engine.clock.advance(1)
    assert await engine.due_in_ms(["email", "push", "sms"]) == 0
    assert [await engine.counts(type_) for type_ in ("email", "push", "sms")] == [
        {"waiting": 250, "delayed": 150},
        {"waiting": 250, "delayed": 150},
        {"delayed": 400},
    ]


# ---- pause


async def test_a_paused_type_hands_out_nothing(engine: Engine) -> None:
    await engine.enqueue("email", "push")
    await engine.pause("email")
    assert await engine.ids_claimed(["email", "push"]) == [2]


async def test_a_paused_queue_hands_out_nothing(engine: Engine) -> None:
    await engine.enqueue("email", "push")
    await engine.pause()
    assert await engine.ids_claimed(["email", "push"]) == []


async def test_a_paused_type_still_promotes_and_rescues(engine: Engine) -> None:
    await engine.enqueue("email", new(due=b"+1000"))
    await engine.claim_one()
    await engine.pause("email")
    engine.clock.advance(LOST)
    assert await engine.ids_claimed() == []
    assert await engine.counts() == {"waiting": 2}


async def test_a_pause_leaves_running_jobs_alone(engine: Engine) -> None:
    await engine.enqueue("email")
    one = await engine.claim_one()
    await engine.pause()
    assert await engine.extend(one) == []
    assert await engine.complete(one) == []


async def test_the_long_member_is_never_handed_out_or_told(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.claim_one()
    engine.clock.advance(10**8)
    assert await engine.ids_claimed() == [1]
    assert await engine.counts() == {"active": 1}
    assert await engine.command("OBJECT", "ENCODING", engine.key("run")) == b"hashtable"
    assert await engine.command("OBJECT", "ENCODING", engine.key("email:active")) == b"skiplist"


# ---- orders


async def test_a_claim_with_chores_says_that_its_worker_has_an_order(engine: Engine) -> None:
    async def ordered(**options: Any) -> bool:
        return (await engine.send(engine.claim_call(**options))).ordered

    await engine.beat("w1")
    assert not await ordered()
    await engine.order("w1", "drain")
    await engine.enqueue("email")
    assert [await ordered(chores=False), await ordered(worker="w2"), await ordered()] == [False, False, True]
    await engine.order("w1", "work")
    assert not await ordered()
