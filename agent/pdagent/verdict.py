"""What one attempt at delivery came to: a small `Verdict`, and how an answer becomes one.

Pure: no socket, no clock. The facts about answers are those of the Events API pages for
v1, v2 and change events.
"""

from __future__ import annotations

import json
import re
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

ACCEPTED, REJECTED, THROTTLED, NOT_NOW = "accepted", "rejected", "throttled", "not_now"


class Verdict(NamedTuple):
    """What one attempt came to.

    `reason` is a stable word for state files and metrics, `detail` one line for people.
    `suspect` says that the event itself may be the cause (a 5xx, a time-out after the
    request was sent), as against a network that would fail any event.
    """

    outcome: str
    reason: str = ""
    detail: str = ""
    status: int | None = None
    retry_after: float | None = None
    message: str = ""
    errors: tuple[str, ...] = ()
    alert_key: str = ""
    suspect: bool = False


class Answer(NamedTuple):
    """An HTTP answer as it came; `body` is cut at `MAX_ANSWER_BYTES`."""

    status: int
    headers: Any
    body: bytes

    def json(self) -> dict[str, Any] | None:
        """Return the JSON object of the body, None when it is not one."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None


def one_line(text: object, limit: int = 300) -> str:
    """Return text fit for one log line: no control characters, no proxy password, bounded."""
    line = "".join(char if char.isprintable() else " " for char in str(text)[: limit * 4])
    line = re.sub(r"//[^/@\s]*@", "//***@", " ".join(line.split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def judge(answer: Answer, now: float) -> Verdict:
    """Say what an answer of the Events API means for the event; now is wall-clock seconds."""
    status, found = answer.status, answer.json()
    if 300 <= status < 400:
        where = one_line(answer.headers.get("Location", "?"), 120)
        return Verdict(NOT_NOW, "redirect", f"redirected to {where}, not followed", status)
    if status == 407:
        return Verdict(NOT_NOW, "proxy_auth", "the proxy asks for a user and password", status)
    if _is_html(answer):
        return _judge_html(answer, now)
    if status in (200, 202):
        return _judge_success(status, found)
    message, errors = _words(found)
    detail = one_line("; ".join(filter(None, (message, *errors))) or f"status {status}")
    wait = retry_after(answer.headers, now)
    if status in (403, 429):
        return Verdict(THROTTLED, "throttled", detail, status, wait, message, errors)
    if _is_definite(status, found):
        return Verdict(REJECTED, "rejected", detail, status, None, message, errors)
    return Verdict(NOT_NOW, f"http_{status}", detail, status, wait, suspect=True)


def retry_after(headers: Any, now: float) -> float | None:
    """Return the seconds that Retry-After or ratelimit-reset ask for, None without one."""
    for name in ("Retry-After", "ratelimit-reset"):
        text = headers.get(name, "").strip()
        if not text:
            continue
        try:
            seconds = float(text)
        except ValueError:
            seconds = _seconds_until(text, now)
        if seconds > 1e9:  # some gateways give the epoch of the reset
            seconds -= now
        if 0 <= seconds < float("inf"):
            return seconds
    return None


def _seconds_until(date: str, now: float) -> float:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - now)
    except (TypeError, ValueError, OverflowError, IndexError):
        return -1.0


def _is_html(answer: Answer) -> bool:
    kind = answer.headers.get("Content-Type", "").lower()
    return "html" in kind or answer.body.lstrip()[:1] == b"<"


def _judge_html(answer: Answer, now: float) -> Verdict:
    status = answer.status
    if 200 <= status < 300:
        cause = "a web page instead of PagerDuty's answer: likely a proxy login page"
        return Verdict(NOT_NOW, "captive_portal", cause, status)
    cause = f"status {status} with a web page: likely a proxy or firewall on the way"
    wait = retry_after(answer.headers, now)
    if status == 429:
        return Verdict(THROTTLED, "throttled", cause, status, wait)
    return Verdict(NOT_NOW, f"http_{status}", cause, status, wait, suspect=True)


def _judge_success(status: int, found: dict[str, Any] | None) -> Verdict:
    if found is None:
        cause = f"status {status} with a body that is not PagerDuty's JSON"
        return Verdict(NOT_NOW, "bad_answer", cause, status, suspect=True)
    if found.get("status") != "success":
        cause = f'status {status} without "status": "success"'
        return Verdict(NOT_NOW, "bad_answer", cause, status, suspect=True)
    alert_key = found.get("incident_key") or found.get("dedup_key") or ""
    return Verdict(ACCEPTED, status=status, alert_key=one_line(alert_key))


def _is_definite(status: int, found: dict[str, Any] | None) -> bool:
    """Tell PagerDuty's own no from that of a gateway that happens to be on the way."""
    if status == 400:
        return True
    if not 400 <= status < 500 or status in (408, 421, 425):
        return False
    return found is not None and not found.keys().isdisjoint(("status", "message", "errors"))


def _words(found: dict[str, Any] | None) -> tuple[str, tuple[str, ...]]:
    if not found:
        return "", ()
    message, errors = found.get("message") or found.get("error") or "", found.get("errors") or ()
    listed = errors if isinstance(errors, (list, tuple)) else (errors,)
    return one_line(message), tuple(one_line(each) for each in listed[:20])
