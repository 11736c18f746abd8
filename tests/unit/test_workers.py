"""How many threads send: as many as waiting for answers needs. Promises 5 and 14."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from pdagent import workers
from pdagent.delivery import Delivery, Job
from pdagent.verdict import ACCEPTED, NOT_NOW, Verdict
from pdagent.workers import Workers

YES = Verdict(ACCEPTED, status=202)
SICK = Verdict(NOT_NOW, "http_503", "sick", 503, suspect=True)


class Shift:
    """Workers whose jobs are done by a function of the test."""

    def __init__(self, answer: Callable[[Job], Verdict]) -> None:
        self.answer = answer
        self.lock = threading.Condition(threading.Lock())
        self.delivery = Delivery(0.01, 60, time.monotonic())
        self.workers = Workers(self.lock, self.delivery, self.send, lambda: None)
        self.done: list[str] = []
        self.threads: set[str] = set()
        self.at_once = self.most_at_once = 0

    def send(self, job: Job) -> None:
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.threads.add(threading.current_thread().name)
        verdict = self.answer(job)
        with self.lock:
            self.at_once -= 1
            self.delivery.settle(job, verdict, time.monotonic())
            self.done.append(job.key)

    def run(self, limit: int, *keys: str, events: int = 1) -> None:
        """Queue that many events of each key and let up to `limit` threads at them."""
        names = {key: [f"{number:016d}_{key}.txt" for number in range(events)] for key in keys}
        with self.lock:
            self.delivery.arrived(names, time.monotonic())
        self.workers.wake(limit)

    def until(self, done: Callable[[], object]) -> None:
        deadline = time.monotonic() + 30
        while not done():
            assert time.monotonic() < deadline
            time.sleep(0.005)


Start = Callable[[Callable[[Job], Verdict]], Shift]


@pytest.fixture
def start() -> Iterator[Start]:
    shifts = []

    def make(answer: Callable[[Job], Verdict]) -> Shift:
        shifts.append(Shift(answer))
        return shifts[-1]

    yield make
    assert all(shift.workers.stop(30) for shift in shifts)


def test_while_answers_take_long_every_thread_that_is_allowed_is_at_work(start: Start) -> None:
    together = threading.Barrier(4)

    def wait_for_the_others(_job: Job) -> Verdict:
        together.wait(30)
        return YES

    shift = start(wait_for_the_others)
    shift.run(4, "a", "b", "c", "d")
    shift.until(lambda: len(shift.done) == 4)
    assert len(shift.threads) == 4


def test_there_are_never_more_requests_at_once_than_allowed(start: Start) -> None:
    def dawdle(_job: Job) -> Verdict:
        time.sleep(0.01)
        return YES

    shift = start(dawdle)
    shift.run(3, *"abcdefghij", events=5)
    shift.until(lambda: len(shift.done) == 50)
    assert shift.most_at_once == 3


def test_a_request_that_hangs_holds_up_no_other_key(start: Start) -> None:
    end = threading.Event()
    shift = start(lambda job: (end.wait(30) if job.key == "a" else None, YES)[1])
    shift.run(2, *"abcdef", events=20)
    shift.until(lambda: len(shift.done) == 100)
    assert "a" not in shift.done
    end.set()
    shift.until(lambda: shift.done.count("a") == 20)


def test_a_key_that_waits_is_minded_while_another_request_hangs(start: Start) -> None:
    end, failures = threading.Event(), [SICK, SICK]

    def answer(job: Job) -> Verdict:
        if job.key == "a":
            end.wait(30)
            return YES
        return failures.pop() if failures else YES

    shift = start(answer)
    shift.run(2, "b", "a")
    shift.until(lambda: shift.done == ["b", "b", "b"])
    end.set()
    shift.until(lambda: shift.done[3:] == ["a"])


def test_answers_that_come_at_once_need_one_thread(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "HELP_SECONDS", 30.0)  # however slow this machine is
    shift = start(lambda _job: YES)
    shift.run(10, *"abcdefghij", events=20)
    shift.until(lambda: len(shift.done) == 200)
    assert len(shift.threads) == 1


def test_a_thread_that_is_one_too_many_rests(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "HELP_SECONDS", 1.0)
    monkeypatch.setattr(workers, "REST_SECONDS", 30.0)
    together, senders = threading.Barrier(2), set()

    def meet_first(job: Job) -> Verdict:
        if job.key == "c":
            senders.add(threading.current_thread().name)
        elif job.name.startswith("0" * 16):
            together.wait(30)
        return YES

    shift = start(meet_first)
    shift.run(2, "a", "b", "c", events=100)
    shift.until(lambda: len(shift.done) == 300)
    assert len(shift.threads) == 2
    assert len(senders) == 1
