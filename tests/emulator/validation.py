"""What the Events API refuses, and in which words.

Limits and required fields: the Events API pages of developer.pagerduty.com
("Send an Alert Event", "Send a Change Event", "Events API v1"). The wording of
refusals is not documented; where users have published PagerDuty's answer it is
used literally (spelling mistakes included), otherwise the nearest such pattern.
"""

from __future__ import annotations

import datetime
import re
from typing import Any

KEY_LENGTH = 32
MAX_BODY_BYTES = 512 * 1024
MAX_SUMMARY_CHARS = 1024
MAX_DEDUP_CHARS = 255
ACTIONS = ("trigger", "acknowledge", "resolve")
SEVERITIES = ("critical", "warning", "error", "info")

# ISO 8601 as the documentation's own example writes it, 2015-07-17T08:42:58.315+0000.
_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?$", re.ASCII
)


def v1_errors(event: dict[str, Any]) -> list[str]:
    """What is wrong with a v1 event, in PagerDuty's words; empty when accepted."""
    errors = []
    key, action = event.get("service_key"), event.get("event_type")
    if _blank(key):
        errors.append("Service key is missing or blank")
    elif len(str(key)) != KEY_LENGTH:
        errors.append(f"Service key is the wrong length (should be {KEY_LENGTH} characters)")
    if _blank(action):
        errors.append("Event type is missing or blank")
    elif action not in ACTIONS:
        errors.append("Event type is invalid (must be trigger, acknowledge or resolve)")
    if action == "trigger" and _blank(event.get("description")):
        errors.append("Description is missing or blank")
    if action in ("acknowledge", "resolve") and _blank(event.get("incident_key")):
        errors.append("Incident key is missing or blank")
    errors += _v1_text_errors(event)
    errors += _v1_context_errors(event.get("contexts"))
    return errors


def v2_errors(event: dict[str, Any]) -> list[str]:
    """What is wrong with a v2 alert event, in PagerDuty's words; empty when accepted."""
    errors = _routing_key_errors(event.get("routing_key"))
    action = event.get("event_action")
    if _blank(action):
        errors.append("'event_action' is missing or blank")
    elif action not in ACTIONS:
        errors.append(
            "'event_action' is invalid (must be one of the following: "
            "'trigger', 'acknowledge' or 'resolve')"
        )
    if action in ("acknowledge", "resolve") and _blank(event.get("dedup_key")):
        errors.append("'dedup_key' is missing or blank")
    errors += _string_errors(event, ("dedup_key", "client", "client_url"))
    if _too_long(event.get("dedup_key"), MAX_DEDUP_CHARS):
        errors.append(f"'dedup_key' is too long (maximum is {MAX_DEDUP_CHARS} characters)")
    # A follow-up may leave the payload out; what it does bring is checked all the same.
    if action == "trigger" or "payload" in event:
        required = ("summary", "source", "severity") if action == "trigger" else ()
        errors += _payload_errors(event.get("payload"), required, of_alert=True)
    return errors + _link_errors(event) + _image_errors(event)


def change_errors(event: dict[str, Any]) -> list[str]:
    """What is wrong with a change event, in PagerDuty's words; empty when accepted."""
    key = event.get("routing_key")
    errors = _routing_key_errors(key)
    if not errors and str(key).startswith("R"):
        errors.append("'routing_key' of a ruleset cannot receive change events")
    errors += _payload_errors(event.get("payload"), ("summary",))
    return errors + _link_errors(event) + _image_errors(event)


def _v1_text_errors(event: dict[str, Any]) -> list[str]:
    limits = (
        ("Description", "description", MAX_SUMMARY_CHARS),
        ("Incident key", "incident_key", MAX_DEDUP_CHARS),
        ("Client", "client", None),
        ("Client url", "client_url", None),
    )
    errors = []
    for title, field, limit in limits:
        value = event.get(field)
        if value is not None and not isinstance(value, str):
            errors.append(f"{title} must be a string")
        elif limit is not None and _too_long(value, limit):
            errors.append(f"{title} is too long (maximum is {limit} characters)")
    if not isinstance(event.get("details") or {}, dict):
        errors.append("Details must be an object")
    return errors


def _v1_context_errors(contexts: Any) -> list[str]:
    if contexts is None:
        return []
    if not isinstance(contexts, list) or not all(isinstance(one, dict) for one in contexts):
        return ["Contexts must be an array of objects"]
    errors = []
    for one in contexts:
        kind = one.get("type")
        if kind == "link" and _blank(one.get("href")):
            errors.append("Contexts of type link need a href")
        elif kind == "image" and not str(one.get("src")).startswith("https://"):
            errors.append("Contexts of type image need a src served via HTTPS")
        elif kind not in ("link", "image"):
            errors.append("Contexts are of type link or image")
    return errors


def _routing_key_errors(key: Any) -> list[str]:
    if _blank(key):
        return ["'routing_key' is missing or blank"]
    errors = []
    if len(str(key)) != KEY_LENGTH:
        errors.append(f"Length of 'routing_key' is incorrect (should be {KEY_LENGTH} characters)")
    if not re.fullmatch("[0-9A-Za-z]*", str(key)):
        errors.append("'routing_key' cannot contain non-alphanumeric characters.")
    return errors


def _payload_errors(
    payload: Any, required: tuple[str, ...], *, of_alert: bool = False
) -> list[str]:
    if payload is None:
        payload = {}
    if not isinstance(payload, dict):
        return ["'payload' must be an object"]
    errors = [
        f"'payload.{field}' is missing or blank" for field in required if _blank(payload.get(field))
    ]
    errors += _string_errors(payload, ("summary", "source"), prefix="payload.")
    if of_alert:
        errors += _alert_errors(payload)
    if _too_long(payload.get("summary"), MAX_SUMMARY_CHARS):
        errors.append(f"'summary' is too long (maiximum is {MAX_SUMMARY_CHARS} characters)")
    if payload.get("timestamp") is not None and not _is_timestamp(payload["timestamp"]):
        errors.append("'payload.timestamp' is not a valid ISO 8601 date")
    if not isinstance(payload.get("custom_details") or {}, dict):
        errors.append("'payload.custom_details' must be an object")
    return errors


def _alert_errors(payload: dict[str, Any]) -> list[str]:
    """What is wrong with the fields that a change event does not have."""
    errors = _string_errors(payload, ("component", "group", "class"), prefix="payload.")
    severity = payload.get("severity")
    if not _blank(severity) and severity not in SEVERITIES:
        errors.append(
            "'payload.severity' is invalid (must be one of the following: "
            "'critical', 'warning', 'error' or 'info')"
        )
    return errors


def _link_errors(event: dict[str, Any]) -> list[str]:
    return [
        "'links' need a 'href' each"
        for one in _objects(event, "links")
        if not isinstance(one, dict) or _blank(one.get("href"))
    ]


def _image_errors(event: dict[str, Any]) -> list[str]:
    return [
        "'images' need a 'src' served via HTTPS each"
        for one in _objects(event, "images")
        if not isinstance(one, dict) or not str(one.get("src")).startswith("https://")
    ]


def _objects(event: dict[str, Any], field: str) -> list[Any]:
    """The list in this field; anything else counts as one bad entry."""
    value = event.get(field)
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _string_errors(
    holder: dict[str, Any], fields: tuple[str, ...], *, prefix: str = ""
) -> list[str]:
    return [
        f"'{prefix}{field}' must be a string"
        for field in fields
        if holder.get(field) is not None and not isinstance(holder[field], str)
    ]


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _too_long(value: Any, limit: int) -> bool:
    return isinstance(value, str) and len(value) > limit


def _is_timestamp(value: Any) -> bool:
    match = _TIMESTAMP.match(value) if isinstance(value, str) else None
    if match is None:
        return False
    try:
        datetime.datetime.strptime(match.group(1), "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return False
    return True
