"""PagerDuty's own answers: the heartbeat, and an event that is no event."""

from __future__ import annotations

import json
import time
from typing import Any

from pdagent import __version__
from pdagent.doctor.check import FAIL, OK, WARN, Check, Finding, Results, skip
from pdagent.doctor.destinations import HEARTBEAT, Destination
from pdagent.doctor.host import Context
from pdagent.pagerduty import Client, UnreachableError
from pdagent.submission import agent_id
from pdagent.trust import Trust
from pdagent.verdict import Answer

_SECONDS = 5.0


def heartbeat(context: Context, _results: Results) -> Finding:
    """Ask the heartbeat endpoint as the daemon does, without its statistics."""
    target = next((one for one in context.destinations if one.role == HEARTBEAT), None)
    if target is None:
        return skip("heartbeat_enabled is false")
    body = {"agent_id": agent_id(context.settings), "agent_version": __version__}
    started = time.monotonic()
    try:
        answer = _post(context, target, body)
    except UnreachableError as error:
        return _no_answer(target, error)
    interval = _json(answer).get("heartbeat_interval_secs")
    if isinstance(interval, int):
        seen = f"answered in {_milliseconds(started)}, wants one every {interval} s"
        return Finding(OK, seen, detail={"heartbeat_interval_secs": interval})
    return _odd_answer(target, answer, '{"heartbeat_interval_secs": …}', WARN)


def events(context: Context, _results: Results) -> Finding:
    """Post an empty object, which PagerDuty refuses with 400: the way is open, no alert made."""
    target = context.events
    started = time.monotonic()
    try:
        answer = _post(context, target, {})
    except UnreachableError as error:
        return _no_answer(target, error)
    if answer.status == 400 and "status" in _json(answer):
        seen = f"refuses an empty event, as it should, in {_milliseconds(started)}"
        return Finding(OK, seen, detail={"status": answer.status})
    return _odd_answer(target, answer, "400 with JSON", WARN if answer.status == 429 else FAIL)


def _post(context: Context, target: Destination, body: dict[str, Any]) -> Answer:
    """Exchange one request over the daemon's own client; raises UnreachableError."""
    trust = Trust(context.settings.ca_file)
    client = Client(trust, context.settings.source_address, timeout=_SECONDS)
    try:
        return client.exchange(target.url, json.dumps(body).encode())
    finally:
        client.close()


def _milliseconds(started: float) -> str:
    return f"{(time.monotonic() - started) * 1000:.0f} ms"


def _no_answer(target: Destination, error: UnreachableError) -> Finding:
    status = WARN if target.role == HEARTBEAT else FAIL
    return Finding(
        status,
        f"no answer: {error}",
        expected="an answer from PagerDuty",
        fix="look at status.pagerduty.com, and at what stands between here and there",
        command=_curl(target),
        detail={"reason": error.verdict.reason},
    )


def _odd_answer(target: Destination, answer: Answer, expected: str, status: str) -> Finding:
    kind = str(answer.headers.get("Content-Type", "no type")).partition(";")[0]
    page = kind == "text/html" or 300 <= answer.status < 400
    seen = f"{target} answers {answer.status} with {kind}"
    return Finding(
        status,
        seen + (": a login page of a proxy or portal" if page else ""),
        expected=expected,
        fix="log in to the portal, or exempt this host from it"
        if page
        else _MEANINGS.get(answer.status // 100, "look at status.pagerduty.com"),
        command=_curl(target),
        detail={"status": answer.status, "type": kind},
    )


_MEANINGS = {
    4: "check region, events_api_url and heartbeat_url in the configuration",
    5: "PagerDuty has trouble of its own: see status.pagerduty.com; events are kept and sent later",
}


def _curl(target: Destination) -> str:
    via = f" --proxy {target.proxy}" if target.proxy else ""
    data = "" if target.role == HEARTBEAT else " -d '{}'"
    return f"curl -i{via}{data} {target.url}"


def _json(answer: Answer) -> dict[str, Any]:
    try:
        value = json.loads(answer.body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


CHECKS = (
    Check(
        id="api.heartbeat",
        group="api",
        question="Does the heartbeat endpoint answer?",
        guide="proxy-network-issues",
        run=heartbeat,
        needs=("net.tcp", "proxy.connect", "net.tls"),
        limit=12.0,
        network=True,
    ),
    Check(
        id="api.events",
        group="api",
        question="Does the Events API itself answer?",
        guide="network-troubleshooting",
        run=events,
        needs=("net.tcp", "proxy.connect", "net.tls"),
        limit=12.0,
        network=True,
    ),
)
