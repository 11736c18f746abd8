"""What the tests of the sender share: a real queue, and a client that answers from a list."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from pdagent.delivery import Delivery
from pdagent.event import Event
from pdagent.outqueue import layout
from pdagent.outqueue.answers import Answers
from pdagent.outqueue.outbox import Outbox
from pdagent.sender import Sender
from pdagent.verdict import ACCEPTED, NOT_NOW, REJECTED, THROTTLED, Verdict

KEY = "a" * 28 + "wxyz"
YES = Verdict(ACCEPTED, status=202, alert_key="disk")
NO = Verdict(REJECTED, "rejected", "no good", 400, message="no good", errors=("summary",))
SICK = Verdict(NOT_NOW, "http_503", "sick", 503, suspect=True)
NO_NAME = Verdict(NOT_NOW, "dns", "no such name")
SLOW_DOWN = Verdict(THROTTLED, "throttled", "too many", 429, retry_after=90.0)


class Wire:
    """A client that answers from a list, then yes."""

    def __init__(self, *verdicts: Verdict | Exception) -> None:
        self.verdicts = list(verdicts)
        self.sent: list[bytes] = []
        self.closed = False

    def deliver(self, url: str, body: bytes) -> Verdict:
        self.sent.append(body)
        verdict = self.verdicts.pop(0) if self.verdicts else YES
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    def close(self) -> None:
        self.closed = True


class Bench:
    """A sender over a real queue, with a Wire for PagerDuty."""

    def __init__(self, data: Path, *verdicts: Verdict | Exception, retry_limit: int = 60) -> None:
        layout.ensure(str(data))
        self.queue = data / "outqueue"
        self.answers = data / "answers"
        self.answers.mkdir()
        self.wire = Wire(*verdicts)
        self.delivery = Delivery(0.01, retry_limit, time.monotonic())
        self.outbox = Outbox(str(self.queue))
        self.sender = Sender(
            self.delivery,
            self.outbox,
            dict.fromkeys(("v1", "v2", "change"), "https://pagerduty.test/"),
            lambda: self.wire,  # type: ignore[arg-type,return-value]
            Answers(str(self.answers)),
        )

    def put(self, number: int, body: bytes | None = None) -> str:
        name = layout.name(number, KEY)
        event = Event.v1(KEY, "trigger", description=str(number))
        (self.queue / "pdq" / name).write_bytes(event.encode() if body is None else body)
        return name

    def run(self, until: Callable[[], object]) -> None:
        self.work(until)
        assert self.sender.workers.stop(30)

    def work(self, until: Callable[[], object]) -> None:
        with self.sender.lock:
            self.delivery.arrived(self.outbox.scan().arrived, time.monotonic())
        self.sender.workers.wake(4)
        deadline = time.monotonic() + 30
        while not until():
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert self.sender.workers.healthy

    def names(self, directory: str) -> list[str]:
        return sorted(os.listdir(self.queue / directory))
