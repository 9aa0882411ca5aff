"""Sums: counts and histograms, and how exact what is read from them is."""

import random

import pytest

from barq.sums import CELLS, COMPLETED, RUNNING, WAITING, Sums, cell_of, flat, of_flat, together


def test_cells_grow_with_the_time_and_end_somewhere() -> None:
    cells = [cell_of(ms) for ms in (0, 0.99, 1, 1.42, 2, 3, 1000, 10**15)]
    assert cells == sorted(cells)
    assert (cells[0], cells[-1]) == (0, CELLS - 1)


@pytest.mark.parametrize("spread", [1.0, 50.0, 3000.0, 10**7])
def test_a_percentile_is_off_by_a_fifth_at_most(spread: float) -> None:
    source = random.Random(1)
    times, sums = sorted(source.expovariate(1 / spread) + 1 for _ in range(1000)), Sums()
    for ms in times:
        sums.took(RUNNING, ms)
    for part in (0.5, 0.95):
        found, exact = sums.percentile(RUNNING, part), times[int(part * 1000) - 1] / 1000
        assert found is not None
        assert exact / 1.25 <= found <= exact * 1.25


def test_waiting_and_running_are_two() -> None:
    sums = Sums()
    sums.took(WAITING, 10, times=3)
    sums.took(RUNNING, 1000)
    waited = sums.percentile(WAITING, 0.95)
    assert waited is not None
    assert waited < 0.02
    assert (sums.seconds(WAITING), sums.seconds(RUNNING)) == (0.03, 1)
    assert (sums.below(WAITING, 0.016), sums.below(RUNNING, 0.256), sums.below(RUNNING, 1.024)) == (3, 0, 1)


def test_where_nothing_ran_there_is_no_percentile() -> None:
    assert Sums().percentile(RUNNING, 0.5) is None


def test_a_clock_that_was_set_back_counts_as_no_wait() -> None:
    sums = Sums()
    sums.took(WAITING, -5000)
    assert sums.below(WAITING, 0.001) == 1
    assert sums.seconds(WAITING) == 0


def test_what_is_stored_is_what_was_counted() -> None:
    sums = Sums()
    sums.counts[COMPLETED] = 7
    sums.took(WAITING, 5, times=7)
    assert of_flat(flat(sums)) == sums
    assert together([sums, sums, Sums()]).counts == [14, 0, 0]
