"""A Delivery with a clock of our own, for the tests of what is sent when."""

from __future__ import annotations

from pdagent.delivery import Delivery, Job, Move
from pdagent.verdict import ACCEPTED, NOT_NOW, REJECTED, THROTTLED, Verdict

YES = Verdict(ACCEPTED, status=202)
NO = Verdict(REJECTED, "rejected", status=400)
SLOW_DOWN = Verdict(THROTTLED, "throttled", status=429)
SICK = Verdict(NOT_NOW, "http_503", status=503, suspect=True)
LATE = Verdict(NOT_NOW, "timeout", suspect=True)
NO_DNS = Verdict(NOT_NOW, "dns")
LOGIN_PAGE = Verdict(NOT_NOW, "captive_portal", status=200)


class Desk:
    """A Delivery with the longest jitter, a clock, and a record of what was sent."""

    def __init__(self, retry_limit: int = 60, backoff_limit: float = 60, jitter: float = 1) -> None:
        self.delivery = Delivery(backoff_limit, retry_limit, jitter=lambda: jitter)
        self.now = 1000.0
        self.names = 0

    def queue(self, *keys: str) -> None:
        events: dict[str, list[str]] = {}
        for key in keys:
            events.setdefault(key, []).append(f"{self.names:016d}_{key}.txt")
            self.names += 1
        self.delivery.arrived(events, self.now)

    def take(self) -> Job | None:
        return self.delivery.take(self.now)

    def take_all(self) -> list[str]:
        return [job.key for job in iter(self.take, None)]

    def settle(self, job: Job | None, verdict: Verdict) -> Move:
        assert job is not None
        move = self.delivery.settle(job, verdict, self.now)
        self.delivery.release(job, self.now)
        return move

    def attempt(self, verdict: Verdict) -> Move:
        return self.settle(self.take(), verdict)

    def wait(self) -> None:
        """Let the clock run to the next moment at which something may be sent."""
        seconds = self.delivery.wait(self.now)
        assert seconds is not None
        self.now += seconds

    def run(self, seconds: float, answer: Verdict) -> list[Move]:
        """Let every attempt of a period come to the same answer."""
        moves, end = [], self.now + seconds
        while True:
            job = self.take()
            if job is not None:
                moves.append(self.settle(job, answer))
                continue
            pause = self.delivery.wait(self.now)
            if pause is None or self.now + pause > end:
                self.now = end
                return moves
            self.now += pause
