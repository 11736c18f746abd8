"""Bad days of PagerDuty and of the network, most of them on an accelerated clock.

The accelerated ones drive the daemon's own decisions (pdagent.delivery) through hours
in seconds: a list stands for the queue, a function for PagerDuty, a number for the time.
"""

from __future__ import annotations

import collections
import heapq
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pdagent import verdict
from pdagent.delivery import Delivery, Job
from pdagent.outqueue import layout
from tests.emulator.throttle import Throttle
from tests.torture.lanes import key, trigger
from tests.torture.outcome import Outcome
from tests.torture.site import host_of, pagerduty

Server = Callable[[Job, float], verdict.Verdict]

ACCEPTED = verdict.Verdict(verdict.ACCEPTED, status=202)
UNAVAILABLE = verdict.Verdict(verdict.NOT_NOW, "http_503", status=503, suspect=True)
UNREACHABLE = verdict.Verdict(verdict.NOT_NOW, "route")
REFUSED = verdict.Verdict(verdict.REJECTED, "rejected", status=400)


@dataclass
class Day:
    """One accelerated day: the daemon's decisions against a server that is a function."""

    server: Server
    workers: int = 10
    answer_secs: float = 0.05
    now: float = 0.0
    requests: int = 0
    sent: dict[str, list[str]] = field(default_factory=dict)
    sent_at: dict[str, float] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.delivery = Delivery(60, 60, jitter=random.Random(1).random)

    def queue(self, lanes: int, each: int) -> None:
        """So many events for each of so many keys."""
        names = {
            key(lane): [
                layout.name(1_000_000 + number, key(lane))
                for number in range(lane, lanes * each, lanes)
            ]
            for lane in range(lanes)
        }
        self.delivery.arrived(names, self.now)

    def run(self, until: float) -> None:
        """Let time pass until then, or until nothing is pending."""
        busy: list[tuple[float, int, Job]] = []
        while self.delivery.pending or busy:
            while len(busy) < self.workers and (job := self.delivery.take(self.now)):
                self.requests += 1
                heapq.heappush(busy, (self.now + self.answer_secs, self.requests, job))
            wait = self.delivery.wait(self.now) if len(busy) < self.workers else None
            due = [busy[0][0]] if busy else []
            due += [] if wait is None else [self.now + max(wait, 0.001)]
            if not due or min(due) > until:
                break
            self.now = min(due)
            while busy and busy[0][0] <= self.now:
                self._answer(heapq.heappop(busy)[2])
        self.now = max(self.now, until if self.delivery.pending else self.now)
        for _, _, job in busy:
            self.delivery.release(job, self.now)

    def _answer(self, job: Job) -> None:
        move = self.delivery.settle(job, self.server(job, self.now), self.now)
        if move.to == layout.SUC:
            self.sent.setdefault(job.key, []).append(job.name)
            self.sent_at[job.name] = self.now
        elif move.to == layout.ERR:
            self.errors.append(job.name)
        self.delivery.release(job, self.now)

    def judge(self, outcome: Outcome, what: str, events: int) -> None:
        """Nothing in err, nothing missing, everything in order."""
        sent = sum(map(len, self.sent.values()))
        outcome.expect(not self.errors, f"{what}: {len(self.errors)} events in err")
        outcome.expect(sent == events, f"{what}: {sent} of {events} events sent")
        for lane, names in self.sent.items():
            outcome.expect(names == sorted(names), f"{what}: lane {lane} out of order")


def outage(directory: Path, *, hours: float = 1.0, lanes: int = 200, each: int = 50) -> Outcome:
    """An hour of 503 and an hour without a network, with a full queue."""
    outcome = Outcome()
    said = []
    for what, answer, limit in (
        ("503", UNAVAILABLE, lanes * hours * 150),
        ("no route", UNREACHABLE, hours * 150),
    ):
        end = hours * 3600
        day = Day(lambda job, now, bad=answer, end=end: bad if now < end else ACCEPTED)
        day.queue(lanes, each)
        day.run(end)
        during = day.requests
        day.run(end + 3600)
        day.judge(outcome, what, lanes * each)
        took = day.now - end
        outcome.expect(during <= limit, f"{what}: {during} requests during the outage")
        outcome.expect(took <= 60 + 2 * lanes * each * day.answer_secs / day.workers,
                       f"{what}: {took:.0f} s until all was sent")  # fmt: skip
        said.append(f"{what}: {during} requests, then all sent in {took:.0f} s")
    outcome.tried = f"{hours:g} h outages with {lanes * each} events queued ({'; '.join(said)})"
    return outcome


def throttling(directory: Path, *, events: int = 50_000, lanes: int = 20) -> Outcome:
    """A throttling storm: 120 a minute for each key, one key far busier than the others."""
    outcome = Outcome()
    throttle = Throttle(120, announce=True)
    refused = collections.Counter[str]()

    def server(job: Job, now: float) -> verdict.Verdict:
        if throttle.admit(job.key, now):
            return ACCEPTED
        refused[job.key] += 1
        wait = float(throttle.headers(job.key, now)["Retry-After"])
        return verdict.Verdict(verdict.THROTTLED, "throttled", status=429, retry_after=wait)

    day = Day(server)
    each = events // lanes
    day.queue(lanes, each)
    day.run(48 * 3600)
    day.judge(outcome, "throttling", each * lanes)
    share = sum(refused.values()) / day.requests
    ideal = each / 120 * 60
    outcome.expect(share <= 0.05, f"{share:.1%} of all requests were refused")
    outcome.expect(day.now <= 1.1 * ideal, f"{day.now:.0f} s, the limit allows {ideal:.0f} s")
    outcome.tried = (
        f"{each * lanes} events over {lanes} keys at 120 a minute each: {day.now / 3600:.1f} h, "
        f"{share:.1%} of requests refused"
    )
    return outcome


def poison(directory: Path, *, lanes: int = 50) -> Outcome:
    """One event in each lane gets 500 for ever while the others are fine."""
    outcome = Outcome()
    each = 20

    def server(job: Job, now: float) -> verdict.Verdict:
        number = int(job.name.partition("_")[0]) - 1_000_000
        return UNAVAILABLE if number < lanes // 2 else ACCEPTED

    day = Day(server)
    day.queue(lanes, each)
    day.run(24 * 3600)
    poisoned = lanes // 2
    outcome.expect(len(day.errors) == poisoned, f"{len(day.errors)} of {poisoned} quarantined")
    sent = sum(map(len, day.sent.values()))
    outcome.expect(sent == lanes * each - poisoned, f"{sent} events sent")
    healthy = [names for lane, names in day.sent.items() if len(names) == each]
    last = max(day.sent_at[names[-1]] for names in healthy)
    outcome.expect(last <= 60, f"the lanes without poison took {last:.0f} s")
    outcome.tried = (
        f"{poisoned} of {lanes} lanes headed by an event that always gets 503: the others were "
        f"done in {last:.1f} s, the poison quarantined by {day.now / 60:.0f} min"
    )
    return outcome


def flapping(directory: Path, *, seconds: float = 15) -> Outcome:
    """A real daemon while the network comes and goes every half second."""
    outcome = Outcome()
    lanes, number = 10, 0
    kinds = ("reset", "close")
    chance = random.Random(3)
    with (
        pagerduty(directory / "pagerduty") as emulator,
        host_of(directory / "host", emulator) as host,
    ):
        host.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            stage = chance.choice(["accept", "handshake", "request", "answer", "headers", "body"])
            emulator.fault(chance.choice(kinds), stage=stage, times=None)
            for _ in range(20):
                number += 1
                host.put(trigger(number % lanes, number))
            time.sleep(0.5)
            emulator.clear_faults()
            time.sleep(0.5)
        host.until_settled(timeout=120)
        arrived: dict[str, list[int]] = {}
        for event in emulator.events():
            arrived.setdefault(event["key"], []).append(event["body"]["details"]["number"])
        outcome.expect(sum(map(len, arrived.values())) == number, "not every event arrived once")
        for lane, numbers in arrived.items():
            outcome.expect(numbers == sorted(numbers), f"lane {lane} out of order: {numbers}")
        outcome.expect(not host.names("err"), f"err holds {host.names('err')}")
        outcome.expect("Traceback" not in host.log(), "a traceback in the log")
    outcome.tried = f"{number} events in {seconds:g} s of a network that comes and goes"
    return outcome
