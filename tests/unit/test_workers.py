"""How many threads send: as many as waiting for answers needs: promises 4 and 14."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from pdagent import workers
from pdagent.delivery import Delivery, Job
from pdagent.verdict import ACCEPTED, NOT_NOW, Verdict
from pdagent.workers import Workers

DEAD = Verdict(NOT_NOW, "refused", "nobody listens")
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


def no_more(_thread: threading.Thread) -> None:
    """What Thread.start does at the system's limit."""
    raise RuntimeError("can't start new thread")


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


def test_threads_above_a_lowered_limit_end(start: Start) -> None:
    together = threading.Barrier(4)
    shift = start(lambda job: (together.wait(30) if job.key < "e" else time.sleep(0.005), YES)[1])
    shift.run(4, "a", "b", "c", "d")
    shift.until(lambda: len(shift.done) == 4)
    shift.workers.wake(1)
    shift.most_at_once = 0
    shift.run(1, *"efghij", events=5)
    shift.until(lambda: len(shift.done) == 34)
    assert shift.most_at_once == 1


def test_no_thread_starts_before_there_is_something_to_send(start: Start) -> None:
    shift = start(lambda _job: YES)
    before = set(threading.enumerate())
    shift.workers.wake(4)
    shift.delivery.hold(True, frozenset())
    shift.run(4, "a", "b")
    assert set(threading.enumerate()) <= before  # one of an earlier test may have ended since


@pytest.mark.filterwarnings("ignore:Exception in thread")
def test_a_thread_that_dies_is_noticed(start: Start) -> None:
    def die(_job: Job) -> Verdict:
        raise RuntimeError("a defect")

    shift = start(die)
    shift.run(1, "a")
    shift.until(lambda: not shift.workers.healthy)


def test_a_system_without_threads_to_spare_is_asked_again(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shift = start(lambda _job: YES)
    with monkeypatch.context() as scarce:
        scarce.setattr(threading.Thread, "start", no_more)
        shift.run(4, "a", "b")
    assert "Cannot send: can't start new thread" in caplog.text
    shift.workers.wake(4)
    shift.until(lambda: len(shift.done) == 2)


def test_the_threads_that_are_there_go_on_when_there_are_no_more(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = threading.Event()
    shift = start(lambda _job: (end.wait(30), YES)[1])
    shift.run(4, "a")
    monkeypatch.setattr(threading.Thread, "start", no_more)
    shift.run(4, "b", "c", events=10)
    end.set()
    shift.until(lambda: len(shift.done) == 21)
    assert shift.workers.healthy


@pytest.mark.parametrize("trouble", ["held", "sick", "down", "probe hangs"])
def test_while_nothing_may_be_sent_the_threads_sleep(
    start: Start, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    end, probing = threading.Event(), threading.Event()

    def answer(_job: Job) -> Verdict:
        if trouble == "probe hangs" and shift.delivery.down_since is not None:
            probing.set()
            end.wait(30)
        return SICK if trouble == "sick" else DEAD

    shift = start(answer)
    wait, looks = shift.delivery.wait, Counter[str]()
    monkeypatch.setattr(shift.delivery, "wait", lambda now: (looks.update(["look"]), wait(now))[1])
    shift.delivery.backoff_limit = 60
    shift.delivery.hold(False, frozenset("abcd" if trouble == "held" else ""))
    shift.run(4, *"abcd")
    if trouble == "probe hangs":
        assert probing.wait(30)
    time.sleep(0.3)  # a thread that spins looks once a millisecond
    assert looks["look"] < 60
    end.set()
