"""Send a test event all the way: trigger, acknowledge and resolve, awaited."""

from __future__ import annotations

import os
import time
from typing import Any

from pdagent import submission
from pdagent.doctor import host
from pdagent.doctor.check import FAIL, Check, Finding, Results, ok, skip
from pdagent.doctor.host import Context
from pdagent.event import ACTIONS, Event, EventError, mask
from pdagent.outqueue import tracking
from pdagent.outqueue.inbox import SubmitError

WAIT_SECONDS = 15.0


def send_test(context: Context, _results: Results) -> Finding:
    """Queue the three events of one alert as pd-send does, and wait for PagerDuty's answers."""
    if not context.send_test:
        return skip("only with --send-test -k KEY")
    dedup_key = f"pd-doctor/{host.name()}/{os.urandom(8).hex()}"
    deadline = time.monotonic() + WAIT_SECONDS
    taken: dict[str, float] = {}
    try:
        for action in ACTIONS:
            started = time.monotonic()
            status, record = _send_one(context, _event(context.key, action, dedup_key), deadline)
            if status != tracking.ACCEPTED:
                return _not_accepted(context, action, status, record)
            taken[action] = round(time.monotonic() - started, 3)
    except (EventError, SubmitError) as error:
        return _not_queued(str(error))
    times = ", ".join(f"{action} in {seconds:.2f} s" for action, seconds in taken.items())
    return ok(f"PagerDuty accepted {times}", dedup_key=dedup_key, seconds=taken)


def _event(key: str, action: str, dedup_key: str) -> Event:
    if action != "trigger":
        return Event.v2(key, action, dedup_key=dedup_key)
    return Event.v2(
        key,
        action,
        dedup_key=dedup_key,
        summary="Test event of pd-doctor, resolved at once",
        source=host.name(),
        severity="info",
    )


def _send_one(context: Context, event: Event, deadline: float) -> tuple[str, dict[str, Any]]:
    settings = context.settings
    name = submission.store(event, settings)
    with tracking.Tracker(settings.outqueue_dir, name, settings.run_dir) as tracker:
        return tracker.wait(max(0.0, deadline - time.monotonic()))


def _not_queued(message: str) -> Finding:
    return Finding(
        FAIL,
        f"the test event could not be queued: {message}",
        expected="it is queued as any event",
        fix="see the message",
        command="sudo pd-doctor --check queue.dirs,disk.space",
    )


def _not_accepted(context: Context, action: str, status: str, record: dict[str, Any]) -> Finding:
    reasons = [str(record.get("message") or "")] + [str(e) for e in record.get("errors") or ()]
    said = "; ".join(reason for reason in reasons if reason)
    key = mask(context.key)
    if status == tracking.REFUSED:
        return Finding(
            FAIL,
            f"PagerDuty refused the test event's {action} for {key}: {said}",
            expected="accepted",
            fix="copy the key again from the service's Integrations page: it must be of an"
            " Events API integration",
            command="pd-doctor --send-test --key-file FILE",
            detail={"action": action, "status": status},
        )
    return Finding(
        FAIL,
        f"the test event's {action} for {key} was not answered within {WAIT_SECONDS:.0f} s",
        expected="an answer within seconds",
        fix="see what the daemon says of it in its log; the event stays queued",
        command="sudo pd-queue status",
        detail={"action": action, "status": status},
    )


CHECKS = (
    Check(
        id="event.test",
        group="api",
        question="Does a test event reach PagerDuty? (only with --send-test)",
        guide="basic-troubleshooting",
        run=send_test,
        needs=("service.running", "queue.dirs", "disk.space", "api.events"),
        limit=WAIT_SECONDS + 5,
        network=True,
    ),
)
