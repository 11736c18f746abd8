"""The queue on disk against a simple model, in random histories (Hypothesis): promise 4.

The model knows, for each key, what was accepted and not settled, in order. Real are the
submit, the directory, the daemon's scan, its decisions and its moves; the clocks and
PagerDuty's answers are the test's.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pdagent import verdict
from pdagent.delivery import Delivery
from pdagent.outqueue import inbox, layout
from pdagent.outqueue.outbox import Outbox
from tests.torture.lanes import key, trigger

_LIMITS = inbox.Limits(1 << 40, 0)
_YEAR_2026_US = 1_767_225_600_000_000
_DAY_US = 86_400_000_000

ANSWERS = {
    "accepted": verdict.Verdict(verdict.ACCEPTED, status=202),
    "refused": verdict.Verdict(verdict.REJECTED, "rejected", status=400),
    "throttled": verdict.Verdict(verdict.THROTTLED, "throttled", status=429, retry_after=3.0),
    "http_503": verdict.Verdict(verdict.NOT_NOW, "http_503", status=503, suspect=True),
    "refused connection": verdict.Verdict(verdict.NOT_NOW, "refused"),
}


class QueueMachine(RuleBasedStateMachine):
    """Submits, scans, answers, crashes and clock steps in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.mkdtemp(prefix="pdagent-model-")
        layout.ensure(self.directory)
        self.queue = str(Path(self.directory) / "outqueue")
        self.wall_us, self.now, self.count = _YEAR_2026_US, 0.0, 0
        self.pending: dict[str, list[int]] = {}
        self.gone: dict[str, list[int]] = {layout.SUC: [], layout.ERR: []}
        self.names: dict[int, str] = {}
        self._start()

    def teardown(self) -> None:
        shutil.rmtree(self.directory)

    def _start(self) -> None:
        self.outbox = Outbox(self.queue)
        self.delivery = Delivery(60, 1000, now=self.now)

    @rule(lane=st.integers(0, 2), step_us=st.integers(-_DAY_US, _DAY_US) | st.integers(-2, 2))
    def submit(self, lane: int, step_us: int) -> None:
        """The wall clock steps anywhere within a day, and an event is queued."""
        self.wall_us = max(_YEAR_2026_US - _DAY_US // 2, self.wall_us + step_us)
        self.wall_us = min(self.wall_us, _YEAR_2026_US + _DAY_US // 2)
        self.count += 1
        event = trigger(lane, self.count)
        name = inbox.submit(
            self.queue, event.key, event.encode(), limits=_LIMITS, clock=lambda: self.wall_us * 1000
        )
        self.names[self.count] = name
        self.pending.setdefault(event.key, []).append(self.count)

    @rule()
    def scan(self) -> None:
        """The daemon looks at the queue."""
        found = self.outbox.scan()
        assert found.foreign == []
        self.delivery.vanished(found.vanished)
        self.delivery.arrived(found.arrived, self.now)

    @rule(seconds=st.floats(0.01, 400))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(answer=st.sampled_from(sorted(ANSWERS)))
    def send(self, answer: str) -> None:
        """One event is sent and answered; it is the oldest of its key."""
        job = self.delivery.take(self.now)
        if job is None:
            return
        number = self.pending[job.key][0]
        assert job.name == self.names[number]
        _, body = self.outbox.read(job.name, job.key)
        assert json.loads(body)["details"]["number"] == number
        move = self.delivery.settle(job, ANSWERS[answer], self.now)
        if move.to:
            self._move(job.name, move.to)
            self.gone[move.to].append(self.pending[job.key].pop(0))
        self.delivery.release(job, self.now)

    def _move(self, name: str, to: str) -> None:
        if to == layout.SUC:
            assert self.outbox.settle(name, to)
        else:
            self.outbox.reject(name, {"outcome": "refused"})

    @rule()
    def crash(self) -> None:
        """The daemon dies and another starts: it knows nothing but the directory."""
        self._start()

    @rule(answer=st.sampled_from(["accepted", "http_503"]))
    def crash_before_the_move(self, answer: str) -> None:
        """PagerDuty has answered, the daemon dies: the event is still there."""
        job = self.delivery.take(self.now)
        if job is not None:
            self.delivery.settle(job, ANSWERS[answer], self.now)
            self._start()

    @precondition(lambda self: any(self.pending.values()))
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        """An administrator removes a pending event, as the guide says."""
        lane = data.draw(st.sampled_from(sorted(one for one in self.pending if self.pending[one])))
        number = data.draw(st.sampled_from(self.pending[lane]))
        os.unlink(os.path.join(self.queue, layout.PDQ, self.names[number]))
        self.pending[lane].remove(number)
        self.scan()

    @invariant()
    def everything_accepted_is_where_the_model_says(self) -> None:
        expected = {self.names[one] for numbers in self.pending.values() for one in numbers}
        assert set(os.listdir(os.path.join(self.queue, layout.PDQ))) == expected
        for state, numbers in self.gone.items():
            found = os.listdir(os.path.join(self.queue, state))
            events = {name for name in found if name.endswith(".txt")}
            assert events == {self.names[one] for one in numbers}

    @invariant()
    def names_sort_in_the_order_of_submission(self) -> None:
        for lane in range(3):
            names = [self.names[one] for one in self.pending.get(key(lane), [])]
            assert names == sorted(names)

    @invariant()
    def nothing_is_left_in_tmp(self) -> None:
        assert os.listdir(os.path.join(self.queue, layout.TMP)) == []


TestQueue = QueueMachine.TestCase
