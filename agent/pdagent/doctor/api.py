"""PagerDuty's own answers: the heartbeat, and an event that is no event."""

from __future__ import annotations

import json
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from pdagent.doctor.check import FAIL, OK, WARN, Check, Finding, Results, skip
from pdagent.doctor.destinations import HEARTBEAT, Destination
from pdagent.doctor.host import Context
from pdagent.doctor.network import ANY_SOURCE

_SECONDS = 5.0


class _SourceAdapter(HTTPAdapter):
    """Sends from a given local address."""

    def __init__(self, source: str) -> None:
        self._source = source
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, source_address=(self._source, 0), **kwargs)


def session(context: Context) -> requests.Session:
    """Return a session that connects as the daemon does."""
    settings = context.settings
    made = requests.Session()
    made.verify = settings.ca_file or True
    if settings.source_address != ANY_SOURCE:
        for scheme in ("https://", "http://"):
            made.mount(scheme, _SourceAdapter(settings.source_address))
    return made


def heartbeat(context: Context, _results: Results) -> Finding:
    """Ask the heartbeat endpoint, as the guide does with curl."""
    target = next((one for one in context.destinations if one.role == HEARTBEAT), None)
    if target is None:
        return skip("heartbeat_enabled is false")
    answer = _ask(context, target, "GET", "")
    if isinstance(answer, Finding):
        return answer
    interval = _json(answer).get("heartbeat_interval_secs")
    if isinstance(interval, int):
        milliseconds = answer.elapsed.total_seconds() * 1000
        return Finding(
            OK,
            f"answered in {milliseconds:.0f} ms, next in {interval} s",
            detail={"heartbeat_interval_secs": interval},
        )
    return _odd_answer(target, answer, '{"heartbeat_interval_secs": …}', WARN)


def events(context: Context, _results: Results) -> Finding:
    """Post an empty object, which PagerDuty refuses with 400: the way is open, no alert made."""
    target = context.events
    answer = _ask(context, target, "POST", "{}")
    if isinstance(answer, Finding):
        return answer
    if answer.status_code == 400 and "status" in _json(answer):
        milliseconds = answer.elapsed.total_seconds() * 1000
        return Finding(
            OK,
            f"refused an empty event as it should (400), in {milliseconds:.0f} ms",
            detail={"status": 400, "seconds": answer.elapsed.total_seconds()},
        )
    if answer.status_code == 429:
        return _odd_answer(target, answer, "400 with JSON", WARN)
    return _odd_answer(target, answer, "400 with JSON", FAIL)


def _ask(context: Context, target: Destination, method: str, body: str) -> Any:
    headers = {"Content-Type": "application/json", "User-Agent": "pd-doctor"}
    try:
        return session(context).request(
            method,
            target.url,
            data=body or None,
            headers=headers,
            timeout=_SECONDS,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        return _no_answer(target, error)


def _no_answer(target: Destination, error: Exception) -> Finding:
    status = WARN if target.role == HEARTBEAT else FAIL
    return Finding(
        status,
        f"no answer from {target}: {type(error).__name__}",
        expected="an answer from PagerDuty",
        fix="look at status.pagerduty.com, and at what stands between here and there",
        command=_curl(target),
        detail={"error": type(error).__name__},
    )


def _odd_answer(
    target: Destination, answer: requests.Response, expected: str, status: str
) -> Finding:
    kind = answer.headers.get("Content-Type", "no type").partition(";")[0]
    page = kind == "text/html" or answer.is_redirect
    seen = f"{target} answers {answer.status_code} with {kind}"
    return Finding(
        status,
        seen + (": a login page of a proxy or portal" if page else ""),
        expected=expected,
        fix="log in to the portal, or exempt this host from it"
        if page
        else _MEANINGS.get(answer.status_code // 100, "look at status.pagerduty.com"),
        command=_curl(target),
        detail={"status": answer.status_code, "type": kind},
    )


_MEANINGS = {
    4: "check region, events_api_url and heartbeat_url in the configuration",
    5: "PagerDuty has trouble of its own: see status.pagerduty.com; events are kept and sent later",
}


def _curl(target: Destination) -> str:
    via = f" --proxy {target.proxy}" if target.proxy else ""
    data = "" if target.role == HEARTBEAT else " -d '{}'"
    return f"curl -i{via}{data} {target.url}"


def _json(answer: requests.Response) -> dict[str, Any]:
    try:
        value = json.loads(answer.content[:65536])
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
        limit=7.0,
        network=True,
    ),
    Check(
        id="api.events",
        group="api",
        question="Does the Events API itself answer?",
        guide="network-troubleshooting",
        run=events,
        needs=("net.tcp", "proxy.connect", "net.tls"),
        limit=7.0,
        network=True,
    ),
)
