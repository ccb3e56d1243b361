"""Items are worked on side by side: a few at a time, by the same threads, and the first error ends the rest."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcskit.jobs import RunJobs, jobs_here, run_here, side_by_side


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=12), st.integers(1, 5))
def test_results_are_in_the_order_of_the_items_whatever_they_take(counts: list[int], at_once: int) -> None:
    def work(count: int, run: RunJobs) -> list[int]:
        return run([lambda number=number: number for number in range(count)])  # type: ignore[misc]

    with jobs_here() as run:
        assert side_by_side(work, counts, run, at_once) == [list(range(count)) for count in counts]


def test_an_item_is_taken_when_another_has_ended() -> None:
    open_now, most, taken = set[int](), [0], [0]

    def items() -> Iterator[int]:
        for number in range(20):
            taken[0] += 1
            assert len(open_now) < 3
            open_now.add(number)
            most[0] = max(most[0], len(open_now))
            yield number

    def work(number: int, run: RunJobs) -> int:
        run([lambda: None] * 3)
        open_now.discard(number)
        return number

    assert side_by_side(work, items(), run_here, 3) == list(range(20))
    assert (taken, most[0] > 1) == ([20], True)


def test_all_items_share_the_threads() -> None:
    busy, most, lock = [0], [0], threading.Lock()
    together = threading.Barrier(2, timeout=60)  # two items are at work at a time

    def job() -> None:
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        threading.Event().wait(0.002)
        with lock:
            busy[0] -= 1

    def work(_: int, run: RunJobs) -> int:
        together.wait()
        return len(run([job] * 20))

    with jobs_here() as run:
        assert side_by_side(work, range(2), run) == [20, 20]
    assert most[0] <= len(os.sched_getaffinity(0))


def test_the_first_error_ends_the_work_on_the_others() -> None:
    began, failed, ran = threading.Event(), threading.Event(), [0]

    def job() -> None:
        began.set()
        assert failed.wait(60)
        threading.Event().wait(0.01)  # all of them would take a minute
        ran[0] += 1

    def work(number: int, run: RunJobs) -> list[None]:
        if number == 0:
            assert began.wait(60)
            failed.set()
            raise ValueError("this one")
        with pytest.raises(CancelledError):
            run([job] * 10_000)
        raise CancelledError

    with jobs_here() as run, pytest.raises(ValueError, match="this one"):
        side_by_side(work, range(2), run)
    assert ran[0] < 10_000


@pytest.mark.slow
def test_jobs_that_are_not_wanted_any_more_are_cancelled() -> None:
    jobs: list[Callable[[], int]] = [lambda: 1] * 1000
    with pytest.raises(CancelledError):
        run_here(jobs, wanted=lambda: False)
