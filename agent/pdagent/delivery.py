"""What is sent when: lanes, back-off, throttling, quarantine.

A *lane* is one integration key: its events go out one after another, in the order of
their names, and the lanes know nothing of each other. `Delivery` is told what is in the
queue (`arrived`, `vanished`), hands out jobs (`take`) and turns a Verdict into a Move
(`settle`). It has no socket, no path and no clock: `now` is always monotonic seconds from
the caller, so that a step of the wall clock changes nothing.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque
from collections.abc import Mapping
from typing import Callable, NamedTuple

from pdagent.lanes import Lane, ReadyLine
from pdagent.verdict import ACCEPTED, NOT_NOW, THROTTLED, Verdict

FIRST_STEP = 1.0
"""Seconds of the first back-off step; each further one doubles it."""

LONGEST_WAIT = 300.0
"""Seconds; PagerDuty may ask for a longer pause than backoff_interval_secs, up to this."""

CONFIRMATIONS = 3
"""An event is quarantined only after failing this often while others succeeded."""

EARLY_PROBE = 5.0
"""While the network is down, a new event may ask for a probe this often (seconds)."""

SUCCESS, ERROR, STAY = "suc", "err", ""


class Job(NamedTuple):
    """One event to send now."""

    key: str
    name: str


class Move(NamedTuple):
    """What becomes of the event file: `to` is "suc", "err" or "" (stays in the queue).

    `outcome` is sent, refused, quarantined or retried; `wait` is the back-off in seconds.
    `wants_proof` asks the caller for a harmless request that shows whether PagerDuty
    answers at all, to be reported with `proved`.
    """

    to: str
    outcome: str
    attempts: int
    history: tuple[tuple[float, str], ...] = ()
    wait: float = 0.0
    wants_proof: bool = False


class Backoff(NamedTuple):
    """What outlives a restart, by integration key.

    `attempts` pace the back-off, `doubts` are those of them that may be the event's own fault,
    `waits` the seconds still to wait.
    """

    attempts: dict[str, int]
    doubts: dict[str, int]
    waits: dict[str, float]


class Delivery:
    """All lanes. Not thread-safe: the daemon calls it under one lock."""

    def __init__(
        self,
        backoff_limit: float,
        retry_limit: int,
        now: float = 0.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Take the longest back-off in seconds and the attempts before quarantine."""
        self.backoff_limit = backoff_limit
        self.retry_limit = retry_limit
        self.lanes: dict[str, Lane] = {}
        self.pending = 0
        self.counts: Counter[str] = Counter(sent=0, refused=0, quarantined=0)
        self.retried: Counter[str] = Counter()
        self.held_all = False
        self.held_keys: frozenset[str] = frozenset()
        self.down_since: float | None = None
        self.trouble: Verdict | None = None  # the last "not now" since the last answer
        self.reachable_since = now
        self._jitter = jitter
        self._ready = ReadyLine()
        self._known: set[str] = set()  # keys that PagerDuty has accepted events of
        self._waiting: list[tuple[float, int, Lane]] = []
        self._parked: list[Lane] = []
        self._serial = 0
        self._proofs = 0  # successes and definite answers so far
        self._suspects: set[str] = set()  # lanes that found no way since the last answer
        self._probe: Job | None = None  # the single request through a dead network
        self._probe_at = 0.0
        self._probe_from = 0.0
        self._probes = 0

    # --- what is in the queue

    def arrived(self, events: Mapping[str, list[str]], now: float) -> None:
        """Take in new names, sorted, by integration key."""
        for key, names in events.items():
            lane = self._lane(key)
            if self.down_since is not None and not (lane.queued or lane.busy):
                self._probe_at = min(self._probe_at, self._probe_from + EARLY_PROBE)
                self._ready.appendleft(lane)
                lane.queued = True
            lane.add(names)
            self.pending += len(names)
            self._enqueue(lane, now)

    def vanished(self, names: set[str]) -> None:
        """Forget events that somebody removed from the queue; one being sent stays."""
        for lane in self.lanes.values():
            kept = deque(
                name
                for index, name in enumerate(lane.pending)
                if name not in names or (lane.busy and index == 0)
            )
            self.pending -= len(lane.pending) - len(kept)
            if not kept or kept[0] != lane.pending[0]:
                lane.forget_failures()
            lane.pending = kept

    # --- sending

    def take(self, now: float) -> Job | None:
        """Return the next event to send, None when nothing may be sent now."""
        while self._waiting and self._waiting[0][0] <= now:
            self._ready.append(heapq.heappop(self._waiting)[2])
        down = self.down_since is not None
        if self.held_all or self._probe or (down and now < self._probe_at):
            return None
        while self._ready:
            lane = self._ready.popleft()
            if lane.key in self.held_keys:
                self._parked.append(lane)
                continue
            lane.queued = False
            if lane.pending:
                lane.busy = True
                job = Job(lane.key, lane.pending[0])
                self._probe = job if down else None
                return job
            self._drop_if_done(lane)
        return None

    def settle(self, job: Job, verdict: Verdict, now: float) -> Move:
        """Decide what becomes of a taken event. Its lane rests until `release`."""
        lane, reached = self.lanes[job.key], self.reachable
        move = self._judge(lane, job, verdict, now)
        if self.reachable != reached:
            self.reachable_since = now
        return move

    @property
    def reachable(self) -> bool:
        """Whether PagerDuty is thought to be within reach."""
        trouble = self.trouble  # read once: the daemon asks without the lock
        lost = trouble is not None and not trouble.suspect
        return self.down_since is None and not lost

    def _judge(self, lane: Lane, job: Job, verdict: Verdict, now: float) -> Move:
        self.trouble = verdict if verdict.outcome == NOT_NOW else None
        if verdict.outcome == NOT_NOW:
            return self._failed(lane, job, verdict, now)
        self._found_way()
        if verdict.outcome == THROTTLED:
            return self._back_off(lane, verdict, now)
        self._proofs += 1
        if verdict.outcome == ACCEPTED:
            lane.known = True
            self._known.add(lane.key)
            return self._leave(lane, SUCCESS, "sent", now, verdict.reason)
        return self._leave(lane, ERROR, "refused", now, verdict.reason)

    def discard(self, job: Job) -> None:
        """Take the event out of its lane without an attempt: it vanished or was set aside."""
        lane = self.lanes[job.key]
        lane.pending.popleft()
        self.pending -= 1
        lane.forget_failures()

    def is_head(self, job: Job) -> bool:
        """Tell whether a taken job has been neither settled to leave nor discarded."""
        lane = self.lanes[job.key]
        return bool(lane.pending) and lane.pending[0] == job.name

    def release(self, job: Job, now: float) -> None:
        """Let the lane of a settled or discarded job go on; the file has been moved."""
        lane = self.lanes[job.key]
        lane.busy = False
        if job == self._probe:
            self._probe = None
        self._enqueue(lane, now)
        self._drop_if_done(lane)

    def proved(self, answered: bool) -> None:
        """Report the request that `wants_proof` asked for."""
        self._proofs += answered

    def wait(self, now: float) -> float | None:
        """Return the seconds until `take` may have something, None when only news helps."""
        if self.held_all or self._probe:
            return None
        if self._ready:
            due = now
        elif self._waiting:
            due = self._waiting[0][0]
        else:
            return None
        if self.down_since is not None:
            due = max(due, self._probe_at)
        return max(0.0, due - now)

    # --- holding and remembering

    def hold(self, everything: bool, keys: frozenset[str]) -> None:
        """Stop handing out jobs for all keys or these; what is in flight ends as usual."""
        self.held_all, self.held_keys = everything, keys
        for lane in self._parked:
            self._ready.append(lane)
        self._parked.clear()

    def remember(self, now: float) -> Backoff:
        """Return what each lane that is backing off has been through."""
        down = 0.0 if self.down_since is None else self._probe_at
        failing = [lane for lane in self.lanes.values() if lane.attempts and lane.pending]
        return Backoff(
            {lane.key: lane.attempts for lane in failing},
            {lane.key: lane.doubts for lane in failing},
            {lane.key: max(0.0, lane.retry_at - now, down - now) for lane in failing},
        )

    def recall(self, before: Backoff, now: float) -> None:
        """Take up what `remember` gave before a restart; waits are capped, clocks may lie."""
        for key, count in before.attempts.items():
            lane = self._lane(key)
            lane.attempts, lane.doubts = count, before.doubts.get(key, 0)
            wait = min(max(before.waits.get(key, 0.0), 0.0), max(self.backoff_limit, LONGEST_WAIT))
            lane.retry_at = now + wait

    # --- inside

    def _lane(self, key: str) -> Lane:
        lane = self.lanes.get(key)
        if lane is None:
            lane = self.lanes[key] = Lane(key, known=key in self._known)
        return lane

    def _enqueue(self, lane: Lane, now: float) -> None:
        if lane.queued or lane.busy or not lane.pending:
            return
        lane.queued = True
        if lane.retry_at > now:
            self._serial += 1
            heapq.heappush(self._waiting, (lane.retry_at, self._serial, lane))
        else:
            self._ready.append(lane)

    def _drop_if_done(self, lane: Lane) -> None:
        if not (lane.pending or lane.queued or lane.busy):
            del self.lanes[lane.key]

    def _leave(self, lane: Lane, to: str, outcome: str, now: float, reason: str) -> Move:
        lane.history.append((now, reason))
        move = Move(to, outcome, lane.attempts + 1, tuple(lane.history))
        lane.pending.popleft()
        self.pending -= 1
        lane.retry_at = 0.0
        lane.forget_failures()
        self.counts[outcome] += 1
        return move

    def _failed(self, lane: Lane, job: Job, verdict: Verdict, now: float) -> Move:
        lane.doubts += verdict.suspect
        lane.confirmations += (
            verdict.suspect and lane.doubts > 1 and self._proofs > lane.proofs_seen
        )
        lane.proofs_seen = self._proofs
        if lane.doubts >= self.retry_limit and lane.confirmations >= self._enough():
            return self._leave(lane, ERROR, "quarantined", now, verdict.reason)
        move = self._back_off(lane, verdict, now)
        if verdict.status is not None and verdict.suspect:
            self._found_way()  # PagerDuty's own "not now" is this lane's affair
            return move
        self._suspects.add(lane.key)
        if job == self._probe or (self.down_since is None and len(self._suspects) > 1):
            self._go_down(verdict, now)
        if self.down_since is not None:
            lane.retry_at = 0.0  # the probe's own back-off paces a dead network
        return move

    def _enough(self) -> int:
        return max(1, min(CONFIRMATIONS, self.retry_limit - 1))

    def _back_off(self, lane: Lane, verdict: Verdict, now: float) -> Move:
        lane.attempts += 1
        lane.reason = verdict.reason
        lane.history.append((now, verdict.reason))
        self.retried[verdict.reason] += 1
        wait = self._pause(lane.attempts, verdict)
        lane.retry_at = now + wait
        doubtful = verdict.suspect and lane.doubts >= self.retry_limit
        return Move(STAY, "retried", lane.attempts, wait=wait, wants_proof=doubtful)

    def _pause(self, attempts: int, verdict: Verdict) -> float:
        """Exponential with jitter, never shorter than what PagerDuty asks for."""
        step = min(self.backoff_limit, FIRST_STEP * 2.0 ** min(attempts - 1, 30))
        wait = step * (0.5 + 0.5 * self._jitter())
        asked = min(verdict.retry_after or 0.0, max(self.backoff_limit, LONGEST_WAIT))
        return max(wait, asked)

    def _go_down(self, verdict: Verdict, now: float) -> None:
        if self.down_since is None:
            self.down_since, self._probes = now, 0
        self._probes += 1
        self._probe_from = now
        self._probe_at = now + self._pause(self._probes, verdict)

    def _found_way(self) -> None:
        """PagerDuty answered: whatever was in the way is gone, and a probe is one of many."""
        self.down_since = self._probe = None
        self._suspects.clear()
