"""What a job is: read the file, ask PagerDuty, move the file.

Policy is delivery's, the wire is pagerduty's, the disk is outbox's, the threads are workers';
here is only the order of the steps, and the lock that delivery needs. A lane is released after
its file has been moved, so that a crash can never repeat an event after a later one of the
same key.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Callable

from pdagent.delivery import Delivery, Job, Move
from pdagent.event import mask
from pdagent.metrics import Latency
from pdagent.outqueue import layout
from pdagent.outqueue.answers import Answers
from pdagent.outqueue.custody import masked_name
from pdagent.outqueue.outbox import Outbox, StrangeEntryError, reason_name
from pdagent.pagerduty import Client
from pdagent.state import describe_error, iso
from pdagent.verdict import NOT_NOW, REJECTED, Verdict, one_line
from pdagent.workers import Workers

logger = logging.getLogger("pdagent.sendevent")

REFUSED, QUARANTINED, SET_ASIDE = "refused", "quarantined", "set_aside"


class Sender:
    """Sends what `delivery` hands out, with the threads of `workers`."""

    def __init__(
        self,
        delivery: Delivery,
        outbox: Outbox,
        urls: dict[str, str],
        new_client: Callable[[], Client],
        answers: Answers,
    ) -> None:
        """Nothing is opened before there is work; urls maps event kinds to endpoints."""
        self.delivery = delivery
        self.outbox = outbox
        self.lock = threading.Condition(threading.Lock())
        self.set_aside = 0
        self.last_success: dict[str, Any] | None = None
        self.last_error: dict[str, Any] | None = None
        self.latency = Latency()
        self._urls = urls
        self._new_client = new_client
        self._answers = answers
        self._clients: list[Client] = []
        self.workers = Workers(self.lock, delivery, self._attempt, self._close_one)

    def reconfigure(self, urls: dict[str, str], new_client: Callable[[], Client]) -> None:
        """Use other endpoints and connections from the next request on."""
        with self.lock:
            self._urls, self._new_client = urls, new_client
            outdated, self._clients = self._clients, []
        for client in outdated:
            client.close()

    def set_aside_foreign(self, name: str) -> None:
        """Move an entry whose name is not an event's to err."""
        self._set_aside(name, "", "not named <microseconds>_<integration key>.txt")

    def _attempt(self, job: Job) -> None:
        try:
            self._send(job)
        except Exception as exc:  # a defect must cost one event a delay, not all a thread
            logger.exception("Cannot process event %s", masked_name(job.name))
            self._give_back(job, one_line(repr(exc)))

    def _give_back(self, job: Job, why: str) -> None:
        verdict = Verdict(NOT_NOW, "internal", why, suspect=True)
        with self.lock:
            if not self.delivery.is_head(job):
                return
            move = self.delivery.settle(job, verdict, time.monotonic())
        if move.to == layout.ERR:
            self._reject(job, verdict, move, masked_name(job.name))

    def _send(self, job: Job) -> None:
        shown = masked_name(job.name)
        try:
            kind, body = self.outbox.read(job.name, job.key)
        except FileNotFoundError:
            logger.info("Event %s was removed from the queue", shown)
            self._discard(job)
            return
        except StrangeEntryError as exc:
            self._set_aside(job.name, job.key, str(exc))
            self._discard(job)
            return
        except OSError as exc:
            detail = f"cannot read the event: {exc.strerror}"
            self._finish(job, Verdict(NOT_NOW, "disk", detail), shown)
            return
        logger.info("Processing event %s", shown)
        clients, client = self._borrow()
        try:
            move = self._finish(job, client.deliver(self._urls[kind], body), shown)
            if move.wants_proof:
                self._prove(client)
        finally:
            self._hand_back(clients, client)

    def _close_one(self) -> None:
        if self._clients:
            self._clients.pop().close()

    def _borrow(self) -> tuple[list[Client], Client]:
        """Take the client used last, whose connection is still warm, and say where from."""
        with self.lock:
            clients, new_client = self._clients, self._new_client
            if clients:
                return clients, clients.pop()
        return clients, new_client()

    def _hand_back(self, clients: list[Client], client: Client) -> None:
        """Keep the connection, unless there was a new configuration since it was taken."""
        with self.lock:
            current = clients is self._clients
            if current:
                clients.append(client)
        if not current:
            client.close()

    def _prove(self, client: Client) -> None:
        """Ask whether PagerDuty answers at all: an empty object must be refused."""
        verdict = client.deliver(self._urls["v1"], b"{}")
        with self.lock:
            self.delivery.proved(verdict.outcome == REJECTED)

    # --- what becomes of an event

    def _finish(self, job: Job, verdict: Verdict, shown: str) -> Move:
        with self.lock:
            move = self.delivery.settle(job, verdict, time.monotonic())
            if move.to == layout.SUC:
                self.latency.observe(time.time() - (layout.queued_at(job.name) or 0.0))
        if move.to == layout.SUC:
            self.last_success = {"at": iso(time.time()), "key": mask(job.key)}
            logger.info(
                "Changing %s type: pdq -> suc... incident_key = %s", shown, verdict.alert_key
            )
            self._settle(job.name)
            return move
        self.last_error = describe_error(job.key, verdict, time.time())
        logger.error(
            "Error sending event %s; Error code: %s, Reason: %s",
            shown,
            verdict.status or verdict.reason,
            verdict.detail,
        )
        if move.to == layout.ERR:
            self._reject(job, verdict, move, shown)
        else:
            logger.warning(
                "Backing off service key %s: Retrying events in service key %s after %d sec",
                mask(job.key),
                mask(job.key),
                max(1, round(move.wait)),
            )
        return move

    def _settle(self, name: str) -> None:
        try:
            if not self.outbox.settle(name, layout.SUC):
                logger.info(
                    "Event %s was removed from the queue while it was sent", masked_name(name)
                )
        except OSError as exc:
            logger.error(
                "Event %s was delivered, but cannot be moved to suc: %s; see pd-doctor",
                masked_name(name),
                exc.strerror,
            )

    def _reject(self, job: Job, verdict: Verdict, move: Move, shown: str) -> None:
        if move.outcome == QUARANTINED:
            logger.error(
                "Service key %s breached back-off limit. Assuming bad event.", mask(job.key)
            )
        logger.info("Changing %s type: pdq -> err...", shown)
        self._to_err(job.name, _reason(verdict, move))

    def _set_aside(self, name: str, key: str, why: str) -> None:
        logger.warning("Setting aside %s: it is %s", masked_name(name), why)
        with self.lock:
            self.set_aside += 1
        self.last_error = describe_error(key, Verdict(REJECTED, SET_ASIDE, why), time.time())
        self._to_err(name, {"at": iso(time.time()), "outcome": SET_ASIDE, "message": why})

    def _to_err(self, name: str, reason: dict[str, Any]) -> None:
        """Move an entry to err; a submitter who waits for it finds the answer in run_dir."""
        if layout.parse(name):
            self._answer(name, reason)
        try:
            self.outbox.reject(name, reason)
        except FileNotFoundError:
            logger.info("Event %s was removed from the queue", masked_name(name))
        except OSError as exc:
            logger.error("Cannot move %s to err: %s", masked_name(name), exc.strerror)
            self.outbox.ignore(name)

    def _answer(self, name: str, reason: dict[str, Any]) -> None:
        try:
            self._answers.put(reason_name(name), {"schema": 1, "event": name, **reason})
        except OSError as exc:
            logger.warning("Cannot write the answer for whoever waits for it: %s", exc.strerror)

    def _discard(self, job: Job) -> None:
        with self.lock:
            self.delivery.discard(job)


def _reason(verdict: Verdict, move: Move) -> dict[str, Any]:
    now, wall = time.monotonic(), time.time()
    return {
        "at": iso(wall),
        "outcome": move.outcome,
        "status": verdict.status,
        "message": verdict.message or verdict.detail,
        "errors": list(verdict.errors),
        "attempts": move.attempts,
        "history": [{"at": iso(wall - (now - at)), "reason": why} for at, why in move.history],
    }
