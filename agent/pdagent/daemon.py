"""The daemon: one loop that looks, hands on and reports; it holds no policy.

The main thread waits for a wake-up byte, a signal or the clock, lists the queue, and tells
delivery what is new; the sender's threads do the work. The heartbeat and the clean-up run
in short-lived threads of their own, because either may take long.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import threading
import time
from collections import deque
from typing import Callable

from pdagent import heartbeat, housekeeping, state
from pdagent.delivery import Delivery
from pdagent.event import PATHS
from pdagent.outqueue import layout
from pdagent.outqueue.answers import Answers
from pdagent.outqueue.outbox import Outbox
from pdagent.pagerduty import Client, UnreachableError
from pdagent.reporter import Reporter
from pdagent.sender import Sender
from pdagent.settings import Settings, SettingsError
from pdagent.systemd import Notifier
from pdagent.trust import Trust, TrustError

logger = logging.getLogger("pdagent.daemon")

STOP_SECONDS = 10.0
"""How long a request in flight may take after SIGTERM."""

REPORT_SECONDS = 1.0
"""Least time between two state files."""

ROOM_SECONDS = 60.0
"""Least time between two clean-ups because space is short."""

SCAN_SHARE = 10
"""A scan may follow another after this many times its duration: listing stays below a tenth."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.002, 1.0
"""Seconds between two looks at the wake FIFO, whoever floods it, however big the queue is."""


FOREIGN_AT_ONCE = 100
"""Bad names set aside in one turn: a flood of them must not keep the events waiting."""


class Daemon:
    """Everything that runs; made of parts that know nothing of it."""

    def __init__(
        self,
        settings: Settings,
        *,
        reload: Callable[[], Settings],
        agent_id: str,
        wake_fd: int,
        answers: Answers,
        notifier: Notifier,
        ready: Callable[[], None],
    ) -> None:
        """Put the parts together; `reload` reads the configuration again. May raise TrustError."""
        now = time.monotonic()
        self._settings, self._reload = settings, reload
        self._agent_id, self._answers = agent_id, answers
        self._notifier, self._ready = notifier, ready
        self._wake_fd = wake_fd
        self._signal_fd, self._signal_in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._signals: set[int] = set()
        self._trust = Trust(settings.ca_file)
        self._delivery = Delivery(
            settings.backoff_interval_secs, settings.retry_limit_for_possible_errors, now
        )
        self._outbox = Outbox(settings.outqueue_dir)
        self._sender = Sender(self._delivery, self._outbox, self._urls(), self._new_client, answers)
        self._memory = state.Memory(settings.db_dir)
        self._heartbeat = heartbeat.Heartbeat(now)
        self._reporter = Reporter(
            self._sender, self._outbox, self._heartbeat, self._memory, agent_id
        )
        self._foreign: deque[str] = deque()
        self._jobs: dict[str, threading.Thread] = {}
        self._cleanup_at = now
        self._room_at = now
        self._scan_at = self._look_at = self._report_at = now

    def run(self) -> int:
        """Work until SIGTERM or SIGINT; returns the exit code."""
        self._listen()
        self._delivery.recall(self._memory.load_backoff(time.time()), time.monotonic())
        self._turn(time.monotonic())
        self._notifier.tell("READY=1", self._reporter.status())
        self._ready()
        while not self._signals & {signal.SIGTERM, signal.SIGINT}:
            self._wait()
            self._turn(time.monotonic())
            if not self._sender.workers.healthy:
                logger.error("A sender thread died; see the lines above")
                return 1
        return self._finish()

    # --- waiting

    def _listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, frame: self._signals.add(number))
        signal.set_wakeup_fd(self._signal_in, warn_on_full_buffer=False)

    def _wait(self) -> None:
        """Sleep until there is something to do. A flooded FIFO is looked at now and then."""
        now = time.monotonic()
        if now < self._look_at:
            select.select([self._signal_fd], [], [], self._look_at - now)
        timeout = max(0.0, self._next_turn() - time.monotonic())
        ready, _, _ = select.select([self._signal_fd, self._wake_fd], [], [], timeout)
        if self._signal_fd in ready:
            os.read(self._signal_fd, 512)
        if self._wake_fd in ready:
            os.read(self._wake_fd, 65536)
            self._scan_at = 0.0

    def _next_turn(self) -> float:
        times = [self._scan_at, self._cleanup_at]
        if self._foreign:
            times.append(0.0)
        if self._settings.heartbeat_enabled:
            times.append(self._heartbeat.due_at)
        if self._delivery.pending or self._reporter.has_news:
            times.append(self._report_at)
        if self._notifier.watchdog_seconds:
            times.append(time.monotonic() + self._notifier.watchdog_seconds / 3)
        return min(times)

    # --- one turn

    def _turn(self, now: float) -> None:
        if signal.SIGHUP in self._signals:
            self._signals.discard(signal.SIGHUP)
            self._reconfigure()
        self._refresh_trust()
        if now >= self._scan_at:
            self._scan(now)
        for _ in range(min(FOREIGN_AT_ONCE, len(self._foreign))):
            self._sender.set_aside_foreign(self._foreign.popleft())
        if self._settings.heartbeat_enabled and now >= self._heartbeat.due_at:
            self._start("PhoneHomeTask", self._beat)
        if now >= self._cleanup_at or (now >= self._room_at and self._is_short()):
            self._room_at = now + ROOM_SECONDS
            self._cleanup_at = now + self._settings.cleanup_interval_secs
            self._start("CleanupTask", self._clean_up)
        if now >= self._report_at:
            self._report(now)
        self._notifier.tell("WATCHDOG=1")

    def _is_short(self) -> bool:
        """Tell whether delivered events must make room for those that come."""
        least = self._settings.min_free_mb * housekeeping.MIB
        try:
            return housekeeping.free_bytes(self._settings.outqueue_dir) < least
        except OSError:
            return False  # the scan says what is wrong with the queue

    def _scan(self, now: float) -> None:
        self._hold()
        try:
            found = self._outbox.scan()
        except OSError as exc:
            logger.error("Cannot list the queue: %s", exc)
            self._look_at = now + LONGEST_PAUSE
            self._scan_at = now + self._settings.send_interval_secs
            return
        with self._sender.lock:
            if found.vanished:
                self._delivery.vanished(found.vanished)
            self._delivery.arrived(found.arrived, now)
        self._sender.workers.wake(self._settings.workers)
        self._foreign.extend(found.foreign)
        for names in found.arrived.values():
            self._outbox.measure(names)
        self._settle_owed()
        done = time.monotonic()
        pause = min(LONGEST_PAUSE, SCAN_SHARE * (done - now))
        self._look_at = done + max(SHORTEST_PAUSE, pause)
        self._scan_at = done + self._settings.send_interval_secs

    def _settle_owed(self) -> None:
        try:
            self._outbox.settle_owed()
        except OSError as exc:
            logger.error("Delivered events cannot be moved out of pdq: %s", exc)

    def _hold(self) -> None:
        """Take up the markers that pd-queue hold and release make and remove."""
        marker = layout.hold_name()
        try:
            found = [name for name in os.listdir(self._settings.db_dir) if name.startswith(marker)]
        except OSError as exc:
            logger.error("Cannot look for hold markers: %s", exc)
            return
        keys = frozenset(name[len(marker) + 1 :] for name in found if name != marker)
        with self._sender.lock:
            before = (self._delivery.held_all, self._delivery.held_keys)
            if before != (marker in found, keys):
                self._delivery.hold(marker in found, keys)

    # --- configuration

    def _urls(self) -> dict[str, str]:
        return {kind: self._settings.events_url(kind) for kind in PATHS}

    def _new_client(self) -> Client:
        return Client(self._trust, self._settings.source_address)

    def _reconfigure(self) -> None:
        try:
            settings = self._reload()
            trust = Trust(settings.ca_file)
        except (SettingsError, TrustError) as exc:
            logger.error("Keeping the old configuration: %s", " ".join(str(exc).split("\n")))
            return
        fixed = ("data_dir", "run_dir", "log_file")
        for name in fixed:
            if getattr(settings, name) != getattr(self._settings, name):
                logger.warning("%s changed: restart the agent to use it", name)
                setattr(settings, name, getattr(self._settings, name))
        self._settings, self._trust = settings, trust
        with self._sender.lock:
            self._delivery.backoff_limit = settings.backoff_interval_secs
            self._delivery.retry_limit = settings.retry_limit_for_possible_errors
        self._sender.reconfigure(self._urls(), self._new_client)
        self._scan_at = 0.0
        cleanup_at = time.monotonic() + settings.cleanup_interval_secs
        self._cleanup_at = min(self._cleanup_at, cleanup_at)
        logging.getLogger("pdagent").setLevel(settings.log_level.upper())
        self._reporter.loaded_at = time.time()
        logger.info("Configuration read again: %s", settings.path)
        for warning in settings.warnings:
            logger.warning("%s", warning)

    def _refresh_trust(self) -> None:
        try:
            if self._trust.refresh():
                logger.info("The trusted certificates were read again")
        except TrustError as exc:
            logger.error("Keeping the old certificates: %s", exc)

    # --- what runs beside the loop

    def _start(self, name: str, work: Callable[[], None]) -> None:
        running = self._jobs.get(name)
        if running is None or not running.is_alive():
            thread = threading.Thread(target=_logged, args=(work,), name=name, daemon=True)
            self._jobs[name] = thread
            thread.start()

    def _beat(self) -> None:
        beat, wall = self._heartbeat, time.time()
        beat.begin(time.monotonic())
        with self._sender.lock:
            snapshot = heartbeat.snapshot(self._delivery, wall)
        # Outside the lock: the system's information may ask the name service.
        body = heartbeat.body(self._agent_id, snapshot, self._reporter.aggregates, beat.greeted)
        client = self._new_client()
        try:
            answer = client.exchange(self._settings.effective_heartbeat_url, body)
        except UnreachableError as exc:
            beat.failed(exc.verdict.detail, time.monotonic())
        else:
            beat.answered(answer, time.monotonic(), time.time())
        finally:
            client.close()
        if beat.last_error:
            logger.warning("Heartbeat: %s", beat.last_error)

    def _clean_up(self) -> None:
        queue, now = self._settings.outqueue_dir, time.time()
        try:
            swept = housekeeping.sweep(queue, self._settings.cleanup_threshold_secs, now)
            self._answers.sweep(now)
            removed = housekeeping.make_room(queue, self._settings.min_free_mb * housekeeping.MIB)
        except OSError as exc:
            logger.error("Clean-up failed: %s", exc)
            return
        self._reporter.cleaned_at = now
        logger.info("Cleaned up: %d of tmp, %d of suc, %d of err", *swept)
        if removed:
            logger.warning("Space is short: removed %d delivered events from suc", removed)

    # --- reporting and ending

    def _report(self, now: float) -> None:
        self._report_at = now + REPORT_SECONDS
        self._reporter.write(self._settings, now)
        self._notifier.tell(self._reporter.status())

    def _finish(self) -> int:
        self._notifier.tell("STOPPING=1")
        logger.info("Stopping: a request in flight is finished first")
        if not self._sender.workers.stop(STOP_SECONDS):
            logger.warning("A request took too long; its event stays in the queue")
        self._report(time.monotonic())
        logger.info("*** pdagentd exiting normally!")
        return 0


def _logged(work: Callable[[], None]) -> None:
    """Work; a defect costs one heartbeat or clean-up, and stands in the log."""
    try:
        work()
    except Exception:
        logger.exception("%s broke down", threading.current_thread().name)
