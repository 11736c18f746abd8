"""The threads that send: how many there are, and which of them takes the next job.

As long as PagerDuty answers at once, one thread is fastest: the interpreter runs one at a
time, and handing it over costs more than the answer's way. So the thread that is at it goes
on, and another helps when nothing was taken for a moment. Over a real distance all of them
are at work within a few exchanges; beside a request that hangs the others do not wait.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from typing import Callable

from pdagent.delivery import Delivery, Job

logger = logging.getLogger("pdagent.sendevent")

THREAD_NAME = "SendEventTask"

IDLE_SECONDS = 30.0
"""A thread without work for so long ends; PagerDuty closes its connection about then too."""

HELP_SECONDS = 0.001
"""An idle thread helps when no other has taken a job for so long."""

REST_SECONDS = 0.0005
"""A thread that comes back so soon after another took a job is one too many."""


class Workers:
    """Up to as many threads as `wake` allows, which `send` the jobs of `delivery`."""

    def __init__(
        self,
        lock: threading.Condition,
        delivery: Delivery,
        send: Callable[[Job], None],
        leave: Callable[[], None],
    ) -> None:
        """No thread starts before there is work. `leave` is called, locked, as one ends."""
        self._lock = lock
        self._delivery = delivery
        self._send = send
        self._on_leave = leave
        self._threads: list[threading.Thread] = []
        self._limit = 1
        self._idle = 0
        self._alarm = math.inf  # when an idle thread wakes by itself
        self._taker = 0  # the thread that took the last job, and when
        self._taken_at = 0.0
        self._stopping = False

    def wake(self, limit: int) -> None:
        """See to it that somebody minds what is to be sent; those above `limit` end."""
        with self._lock:
            self._limit = limit
            self._call_another(time.monotonic())

    @property
    def healthy(self) -> bool:
        """Whether no thread died of a defect."""
        with self._lock:  # without it, one that is leaving would look like one that died
            return all(thread.is_alive() for thread in self._threads)

    def stop(self, seconds: float) -> bool:
        """Let each thread finish its request; False when one needs longer than that."""
        with self._lock:
            self._stopping = True
            self._lock.notify_all()
        until = time.monotonic() + seconds
        threads = list(self._threads)  # one may be leaving just now
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def _call_another(self, now: float) -> None:
        """Wake an idle thread, or start one, unless one wakes by itself in time."""
        if self._due(now, HELP_SECONDS) >= self._alarm:
            return
        if self._idle:
            self._lock.notify()
        elif len(self._threads) < self._limit and not self._stopping:
            self._start()

    def _start(self) -> None:
        number = len(self._threads)
        name = f"{THREAD_NAME}-{number}" if number else THREAD_NAME
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError as exc:  # the system has no more: those that are there go on
            if not self._threads:
                logger.error("Cannot send: %s; trying again at the next look", exc)
            return
        self._threads.append(thread)

    def _work(self) -> None:
        job = self._next_job(None)
        while job is not None:
            self._send(job)
            job = self._next_job(job)

    def _next_job(self, done: Job | None) -> Job | None:
        """Wait for work; None ends the thread: at a stop, when too many, or idle for long."""
        with self._lock:
            now = time.monotonic()
            if done is not None:
                self._delivery.release(done, now)
            tired_at = now + IDLE_SECONDS
            patience = self._patience(now, done is not None)
            while not self._stopping and len(self._threads) <= self._limit:
                due = self._due(now, patience)
                job = self._delivery.take(now) if due <= now else None
                if job is not None:
                    self._taker, self._taken_at = threading.get_ident(), now
                    self._call_another(now)
                    return job
                if now >= tired_at and (due == math.inf or self._idle):
                    break
                self._sleep(now, due)
                now = time.monotonic()
                patience = self._patience(now, False)
            self._leave()
            return None

    def _patience(self, now: float, back: bool) -> float:
        """Return the seconds since the last taking that this thread leaves to the others."""
        if self._taker == threading.get_ident():
            return 0.0
        alone = len(self._threads) - self._idle == 1
        needed = alone or now - self._taken_at >= REST_SECONDS
        return 0.0 if back and needed else HELP_SECONDS

    def _due(self, now: float, patience: float) -> float:
        """Return when a thread so patient should take a job; inf when only news brings one."""
        wait = self._delivery.wait(now)
        return math.inf if wait is None else max(now + wait, self._taken_at + patience)

    def _sleep(self, now: float, due: float) -> None:
        """Wait until then or for a call; without a clock if another idle thread is earlier."""
        until = min(due, now + IDLE_SECONDS)
        if mine := until < self._alarm:
            self._alarm = until
        self._idle += 1
        self._lock.wait(max(until - now, HELP_SECONDS) if mine else IDLE_SECONDS)
        self._idle -= 1
        if mine and self._alarm == until:
            self._alarm = math.inf

    def _leave(self) -> None:
        """End this thread; another minds the lanes that wait."""
        self._threads.remove(threading.current_thread())
        self._lock.notify()
        self._on_leave()
