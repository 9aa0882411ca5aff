"""The checker: a small good story holds, and each way of breaking an invariant is found."""

import re
from collections import Counter
from collections.abc import Callable

import pytest

from barq.states import State
from tests.faults.checker import check
from tests.faults.invariants import CHECKS
from tests.faults.kept import Kept
from tests.faults.processes import Terms
from tests.faults.records import (
    Acked,
    AnyRecord,
    Asked,
    Born,
    Cancelling,
    Claimed,
    Died,
    Ended,
    Settled,
    Started,
    Step,
    Struck,
    Waited,
)
from tests.faults.story import Story

T = 1_700_000_000_000
"""When it begins, in ms."""

TERMS = Terms(lease_ms=3000, poison=3)


def us(ms: int) -> int:
    return (T + ms) * 1000


class Told:
    """A made-up run: job 1 (key a) completes at once; job 2 (key b) is delayed, fails once, and completes.

    Job 3 (key c) is lost by a worker that is killed, and completes at another one. A test changes what it likes before
    it asks for the story.
    """

    def __init__(self) -> None:
        self.producer: list[AnyRecord] = [
            Born(us(0), "p", "producer-1", 10, {}),
            Asked(us(1), "a", "ha", "quick"),
            Asked(us(2), "b", "hb", "later", 0, 500, 2, 1, 100),
            Asked(us(3), "c", "hc", "quick"),
            Acked(us(10), "a", 1),
            Acked(us(11), "b", 2),
            Acked(us(12), "c", 3),
            Waited(us(900), us(11), 1, "complete", "ha"),
        ]
        self.first: list[AnyRecord] = [
            Born(us(0), "w1", "worker-1", 11, {"": 2, "quick": 2}),
            Claimed(us(20), 1, [(1, 1, "n1"), (3, 1, "n1")]),
            Started(us(21), 1, 1, "a", "ha", "quick"),
            Started(us(22), 3, 1, "c", "hc", "quick"),
            Ended(us(23), 1, 1, "returned"),
            Settled(us(30), [(1, 1, "complete", True)]),
        ]
        self.second: list[AnyRecord] = [
            Born(us(0), "w2", "worker-2", 12, {"": 2}),
            Claimed(us(511), 1, [(2, 1, "n2")]),
            Started(us(512), 2, 1, "b", "hb", "later"),
            Step(us(512), 2, 1, "k2", False),
            Step(us(513), 2, 1, "k2", True),
            Ended(us(513), 2, 1, "Planned"),
            Settled(us(520), [(2, 1, "fail", True)]),
            Claimed(us(625), 2, [(2, 2, "n3")]),
            Started(us(626), 2, 2, "b", "hb", "later"),
            Step(us(626), 2, 2, "k2", True),
            Ended(us(627), 2, 2, "returned"),
            Settled(us(630), [(2, 2, "complete", True)]),
            Claimed(us(3105), 3, [(3, 2, "n4")]),
            Started(us(3106), 3, 2, "c", "hc", "quick"),
            Ended(us(3107), 3, 2, "returned"),
            Settled(us(3110), [(3, 2, "complete", True)]),
        ]
        self.driver: list[AnyRecord] = [
            Struck(us(40), us(41), "kill", "worker-1", 11, ["turn"]),
            Died(us(40), "worker-1", 11, -9),
        ]
        self.entries: list[tuple[int, list[tuple[str, str, int]]]] = [
            (5, [("enqueue", "quick", 1), ("enqueue", "later", 2), ("enqueue", "quick", 3)]),
            (20, [("start", "quick", 1), ("start", "quick", 3)]),
            (29, [("complete", "quick", 1)]),
            (510, [("promotion", "later", 2), ("start", "later", 2)]),
            (519, [("failed attempt", "later", 2)]),
            (620, [("promotion", "later", 2), ("start", "later", 2)]),
            (629, [("complete", "later", 2)]),
            (3100, [("requeue", "quick", 3), ("start", "quick", 3)]),
            (3109, [("complete", "quick", 3)]),
        ]
        self.effects = Counter({2: 1})
        self.kept = Kept(
            places={
                1: [("quick", State.COMPLETED, T + 29.0)],
                2: [("later", State.COMPLETED, T + 629.0)],
                3: [("quick", State.COMPLETED, T + 3109.0)],
            },
            hashes={1: "ha", 2: "hb", 3: "hc"},
            keys_of_jobs={1: "a", 2: "b", 3: "c"},
            end={
                1: f"{T + 29} 1 n1 w1 {T + 20} 0 0",
                2: f"{T + 629} 2 n3 w2 {T + 620} 1 0",
                3: f"{T + 3109} 2 n4 w2 {T + 3100} 0 1",
            },
            counts={("quick", State.COMPLETED): 2, ("later", State.COMPLETED): 1, ("quick", State.ACTIVE): 0},
            keys={"job": -1, "quick:completed": -1, "once:x": 1000},
        )

    def story(self) -> Story:
        self.kept.entries = [(number, T + ms, told) for number, (ms, told) in enumerate(self.entries, 1)]
        story = Story(TERMS, self.kept)
        for records in (self.producer, self.first, self.second):
            assert isinstance(records[0], Born)
            story.add(records[0], records)
        story.add_driver(self.driver)
        story.effects = self.effects
        return story

    def replace(self, records: list[AnyRecord], old: type, new: AnyRecord, at: int = 0) -> None:
        """Put another record in the place of the one of a kind at a position."""
        places = [place for place, record in enumerate(records) if isinstance(record, old)]
        records[places[at]] = new

    def drop_entry(self, event: str, at: int = 0) -> None:
        places = [place for place, (_, told) in enumerate(self.entries) if told[0][0] == event]
        del self.entries[places[at]]


def test_a_good_story_holds() -> None:
    verdict = check(Told().story())
    assert verdict.broken == {}
    assert verdict.good
    assert verdict.counts["jobs"] == verdict.counts["ended by complete"] == 3
    assert verdict.counts["run again: its worker was killed"] == 1


Break = Callable[[Told], object]
BREAKS: list[tuple[int, str, Break]] = []


def breaks(number: int, says: str) -> Callable[[Break], Break]:
    def add(break_: Break) -> Break:
        BREAKS.append((number, says, break_))
        return break_

    return add


@breaks(1, "job 3 .* is active in the end")
def never_ended(told: Told) -> None:
    told.drop_entry("complete", 2)


@breaks(1, "job 9 .* is nowhere")
def acknowledged_and_gone(told: Told) -> None:
    told.producer += [Asked(us(13), "z", "hz", "quick"), Acked(us(14), "z", 9)]


@breaks(1, "job 1 ended 2 times")
def ended_twice(told: Told) -> None:
    told.entries[3:3] = [
        (31, [("retry", "quick", 1)]),
        (32, [("start", "quick", 1)]),
        (33, [("complete", "quick", 1)]),
    ]


@breaks(2, "which nobody asked for")
def ran_without_being_asked_for(told: Told) -> None:
    told.first += [Started(us(31), 8, 1, "ghost", "hg", "quick")]


@breaks(2, "job 1 .* ran as quick wrong, asked was quick ha")
def ran_with_other_data(told: Told) -> None:
    told.replace(told.first, Started, Started(us(21), 1, 1, "a", "wrong", "quick"))


@breaks(2, "job 1 is a and ran as c")
def ran_with_the_data_of_another(told: Told) -> None:
    told.replace(told.first, Started, Started(us(21), 1, 1, "c", "hc", "quick"))


@breaks(2, "a was asked for once and is there as")
def stored_twice(told: Told) -> None:
    told.kept.keys_of_jobs[7], told.kept.hashes[7] = "a", "ha"
    told.kept.places[7] = [("quick", State.COMPLETED, 0.0)]


@breaks(2, "job 2 is kept with data that nobody asked for")
def kept_with_other_data(told: Told) -> None:
    told.kept.hashes[2] = "other"


@breaks(3, "job 3 was ended by attempt 1 of 2")
def ended_by_an_earlier_attempt(told: Told) -> None:
    told.kept.end[3] = f"{T + 3109} 1 n1 w1 {T + 20} 0 1"


@breaks(3, "told that its complete of job 3 attempt 1 counts")
def told_twice_that_it_counts(told: Told) -> None:
    told.first += [Settled(us(3200), [(3, 1, "complete", True)])]


@breaks(4, r"job 1 attempt 1 ran 2 times")
def an_attempt_ran_twice(told: Told) -> None:
    told.second += [Started(us(25), 1, 1, "a", "ha", "quick")]


@breaks(4, "job 3 attempt 1: w1 in worker-1 lost it")
def rescued_without_a_cause(told: Told) -> None:
    told.driver.clear()


@breaks(4, "job 3 attempt 1: w1 in worker-1 lost it")
def rescued_after_a_fault_that_is_no_cause(told: Told) -> None:
    told.driver[:] = [Struck(us(40), us(3000), "block", "worker-1", 11, [])]


@breaks(4, "job 3 attempt 1: w1 in worker-1 lost it")
def rescued_after_the_fault_of_another(told: Told) -> None:
    told.driver[:] = [Struck(us(40), us(3000), "freeze", "worker-2", 12, [])]


@breaks(4, "job 3 attempt 1 was taken away 2480 ms after its claim")
def rescued_before_its_lease_was_over(told: Told) -> None:
    told.entries[7] = (2500, told.entries[7][1])


@breaks(4, "claimed and nobody ran it, without a fault")
def claimed_and_never_run(told: Told) -> None:
    told.driver.clear()
    told.first[:] = [record for record in told.first if not (isinstance(record, Started) and record.id == 3)]


@breaks(5, "w1 ran job 3 attempt 1 for 6.9 s after it lost it")
def ran_on_after_it_lost_the_job(told: Told) -> None:
    told.driver[:] = [Struck(us(40), us(3000), "freeze", "worker-1", 11, ["turn"])]
    told.first += [Ended(us(10_000), 3, 1, "returned"), Settled(us(10_001), [(3, 1, "complete", False)])]


@breaks(6, "the end of w1 made 3 jobs run again")
def a_kill_cost_too_much(told: Told) -> None:
    for job_id, key in ((4, "d"), (5, "e")):
        told.producer += [Asked(us(3), key, "h", "quick"), Acked(us(9), key, job_id)]
        told.entries[0][1].append(("enqueue", "quick", job_id))
        told.entries[1][1].append(("start", "quick", job_id))
        told.entries[7][1][:0] = [("requeue", "quick", job_id)]
        told.first += [Started(us(24), job_id, 1, key, "h", "quick")]


@breaks(7, "ended it, and was answered as stale")
def refused_what_it_did(told: Told) -> None:
    told.replace(told.first, Settled, Settled(us(30), [(1, 1, "complete", False)]))


@breaks(7, "settled with two answers")
def answered_in_two_ways(told: Told) -> None:
    told.first += [Settled(us(31), [(1, 1, "complete", False)])]


@breaks(7, "two claims of w2 have the nonce n2")
def a_nonce_used_twice(told: Told) -> None:
    told.replace(told.second, Claimed, Claimed(us(625), 2, [(2, 2, "n2")]), at=1)


@breaks(8, "job 1 is in 2 places")
def in_two_places(told: Told) -> None:
    told.kept.places[1].append(("quick", State.WAITING, 0.0))


@breaks(8, "job 1 is nowhere, by the events it is completed")
def in_no_place(told: Told) -> None:
    del told.kept.places[1]


@breaks(8, "by the events it is \\('quick', <State.COMPLETED")
def in_another_place(told: Told) -> None:
    told.kept.places[1] = [("quick", State.FAILED, 0.0)]


@breaks(8, "start of job 1, which is active")
def started_while_active(told: Told) -> None:
    told.entries.insert(2, (25, [("start", "quick", 1)]))


@breaks(8, "complete of job 44, which is unknown")
def completed_out_of_nothing(told: Told) -> None:
    told.entries.insert(2, (25, [("complete", "quick", 44)]))


@breaks(8, "job 1 is enqueued a second time")
def enqueued_twice(told: Told) -> None:
    told.entries.insert(2, (25, [("enqueue", "quick", 1)]))


@breaks(8, "entry 3 follows 1")
def a_hole_in_the_events(told: Told) -> None:
    story = Told.story

    def with_hole() -> Story:
        made = story(told)
        del made.kept.entries[1]
        return made

    told.story = with_hole  # type: ignore[method-assign]


@breaks(8, "job 3 counts 4 failures, the events 0")
def failures_miscounted(told: Told) -> None:
    told.kept.end[3] = f"{T + 3109} 2 n4 w2 {T + 3100} 4 1"


@breaks(8, "job 3 counts 2 rescues, the events 1 requeues")
def rescues_miscounted(told: Told) -> None:
    told.kept.end[3] = f"{T + 3109} 2 n4 w2 {T + 3100} 0 2"


@breaks(9, r"\[3\] of quick were started, but first in line were \[1\]")
def the_second_before_the_first(told: Told) -> None:
    told.entries[1] = (20, [("start", "quick", 3)])
    told.entries.insert(2, (21, [("start", "quick", 1)]))


@breaks(9, r"\[1\] of quick were started, but first in line were \[3\]")
def the_less_urgent_before_the_urgent(told: Told) -> None:
    told.replace(told.producer, Asked, Asked(us(3), "c", "hc", "quick", -10), at=2)
    told.entries[1] = (20, [("start", "quick", 1)])
    told.entries.insert(2, (21, [("start", "quick", 3)]))


@breaks(10, "job 2 was due at .* and is promoted at")
def promoted_early(told: Told) -> None:
    told.entries[3] = (504, told.entries[3][1])


@breaks(10, "job 2 was due at .* and is promoted at")
def tried_again_before_the_backoff(told: Told) -> None:
    told.entries[5] = (618, told.entries[5][1])


@breaks(10, "promoted 1295 ms later, without a fault")
def promoted_late(told: Told) -> None:
    told.driver.clear()
    told.entries[3:3] = [(1800, [("promotion", "later", 2), ("start", "later", 2)])]
    del told.entries[4]


@breaks(11, "w1 ran 3 jobs of all types at a time")
def too_many_at_a_time(told: Told) -> None:
    told.first[4:4] = [Started(us(22), 2, 9, "b", "hb", "later")]


@breaks(12, "job 9 kills its workers, and its endings are \\['complete'\\]")
def a_deadly_job_completes(told: Told) -> None:
    told.entries += [
        (4000, [("enqueue", "deadly", 9)]),
        (4001, [("start", "deadly", 9)]),
        (4002, [("complete", "deadly", 9)]),
    ]


@breaks(12, "job 9 killed 5 workers")
def a_deadly_job_goes_round(told: Told) -> None:
    told.entries += [(4000, [("enqueue", "deadly", 9)])]
    for attempt in range(1, 6):
        told.entries += [
            (4000 * attempt + 1, [("start", "deadly", 9)]),
            (4000 * attempt + 4000, [("requeue", "deadly", 9)]),
        ]
        told.second += [Started(us(4000 * attempt + 2), 9, attempt, "z", "hz", "deadly")]


@breaks(13, "1 jobs of quick are active in the end")
def something_is_left(told: Told) -> None:
    told.kept.counts["quick", State.ACTIVE] = 1


@breaks(13, "job 1 still has the run")
def a_token_is_left(told: Told) -> None:
    told.kept.run[1] = f"1 n1 w1 {T + 20} 0 0"


@breaks(13, "job 7 is gone, but how its attempts ended is still there")
def what_is_told_of_a_forgotten_job_is_left(told: Told) -> None:
    told.kept.past = {2, 7}


@breaks(13, "workers counted 3 completed jobs of quick, but 2 were")
def sums_were_added_twice(told: Told) -> None:
    told.kept.counted = {"quick": [3, 0, 0], "later": [1, 0, 0], "": [3, 0, 0]}


@breaks(13, "2 jobs are still watched")
def watchers_are_left(told: Told) -> None:
    told.kept.watched = 2


@breaks(13, "the key lost:1 lives for ever")
def a_key_is_left(told: Told) -> None:
    told.kept.keys["lost:1"] = -1


@breaks(13, "still connected: id=7")
def a_connection_is_left(told: Told) -> None:
    told.kept.clients = ["id=7 addr=…"]


@breaks(14, "who waited for job 1 got 'other'")
def a_waiter_got_the_result_of_another(told: Told) -> None:
    told.replace(told.producer, Waited, Waited(us(900), us(11), 1, "complete", "other"))


@breaks(14, "heard that it failed, it ended by 'complete'")
def a_waiter_was_told_a_wrong_ending(told: Told) -> None:
    told.replace(told.producer, Waited, Waited(us(900), us(11), 1, "JobFailed"))


@breaks(14, "got ResultTimeout after 60.0 s")
def a_waiter_waited_in_vain(told: Told) -> None:
    told.producer += [Waited(us(60_011), us(11), 3, "ResultTimeout")]


@breaks(14, "job 1 was cancelled and ended by \\['complete'\\]")
def a_cancelled_job_completed(told: Told) -> None:
    told.producer += [Cancelling(us(15), 1, "")]


@breaks(14, "the cancel of job 1 was answered with TypeError")
def a_cancel_had_an_untyped_answer(told: Told) -> None:
    told.producer += [Cancelling(us(15), 1, "TypeError")]


@breaks(15, "w2 started job 3 3.0 s after SIGTERM")
def started_after_a_stop(told: Told) -> None:
    told.driver += [Struck(us(106), us(4000), "stop", "worker-2", 12, [])]


@breaks(16, "400 ms: turn")
def a_script_took_long(told: Told) -> None:
    told.kept.slow = [(T // 1000, 400_000, "turn")] * 4


@breaks(13, "the job of step:a9 is gone, but its steps are still there")
def a_step_is_left(told: Told) -> None:
    told.kept.keys["step:a9"] = -1


@breaks(17, "called in attempt 2, 113 ms after it was kept")
def a_step_ran_again(told: Told) -> None:
    told.replace(told.second, Step, Step(us(626), 2, 2, "k2", False), at=2)


@breaks(17, "the step of job 2 had several keys")
def a_step_got_another_key(told: Told) -> None:
    told.replace(told.second, Step, Step(us(626), 2, 2, "k3", True), at=2)


@breaks(17, "the step of job 2 is kept, and its effect is there 0 times")
def an_effect_is_missing(told: Told) -> None:
    told.effects.clear()


@breaks(17, "the effect of job 2 is there 2 times")
def an_effect_is_there_twice(told: Told) -> None:
    told.effects[2] = 2


@breaks(17, "job 2 completed, and its step was never kept")
def a_step_was_not_kept(told: Told) -> None:
    told.second[:] = [record for record in told.second if not (isinstance(record, Step) and record.kept)]


@pytest.mark.parametrize(("number", "says", "break_"), BREAKS, ids=[break_.__name__ for *_, break_ in BREAKS])
def test_a_broken_invariant_is_found(number: int, says: str, break_: Break) -> None:
    told = Told()
    break_(told)
    found = check(told.story()).broken.get(number, [])
    assert any(re.search(says, what) for what in found), (number, check(told.story()).broken)


def test_each_invariant_is_shown_to_be_checked() -> None:
    assert {number for number, _, _ in BREAKS} == CHECKS.keys() == set(range(1, 18))


def test_a_step_may_be_called_by_an_attempt_that_was_frozen_before_another_kept_it() -> None:
    told = Told()
    a_step_ran_again(told)
    assert 17 in check(told.story()).broken
    told = Told()
    told.second += [Step(us(700), 2, 0, "k2", False)]
    assert 17 not in check(told.story()).broken


def test_a_failure_before_a_rescue_may_be_called_stale() -> None:
    told = Told()
    told.replace(told.second, Settled, Settled(us(520), [(2, 1, "fail", False)]))
    assert 7 in check(told.story()).broken
    told.entries[6:7] = [
        (4000, [("requeue", "later", 2), ("start", "later", 2)]),
        (4029, [("complete", "later", 2)]),
    ]
    assert 7 not in check(told.story()).broken


def test_a_script_that_was_paused_with_its_server_is_not_slow() -> None:
    told = Told()
    told.kept.slow = [(T // 1000, 400_000, "turn")] * 4
    told.driver += [Struck(us(400), us(900), "server-pause", "server", 1, ["turn"])]
    assert check(told.story()).broken == {}


@pytest.mark.parametrize(
    "fault",
    [
        Struck(us(40), us(3300), "freeze", "worker-1", 11, []),
        Struck(us(40), us(1500), "hole", "worker-1", 11, []),
        Struck(us(1000), us(2900), "server-pause", "server", 1, []),
        Struck(us(100), us(600), "server-kill", "server", 1, []),
    ],
    ids=lambda struck: struck.fault,
)
def test_what_may_cost_a_lease_explains_a_rescue(fault: Struck) -> None:
    told = Told()
    told.driver[:] = [fault]
    told.first += [Ended(us(3600), 3, 1, "CancelledError")]
    assert check(told.story()).broken == {}
