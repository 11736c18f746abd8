"""The field rules and limits of the Events API: one table for each kind of event.

Facts from developer.pagerduty.com: "Events API v1" (create_event), "Send an Alert Event" (v2)
and "Send a Change Event", with the limits of the published API schema. Text is measured in
characters (code points).
"""

from __future__ import annotations

from pdagent.jsontext import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Check = Callable[[str, Any], None]

ACTIONS = ("trigger", "acknowledge", "resolve")
SEVERITIES = ("critical", "error", "warning", "info")

MAX_TEXT = 1024  # characters of a description or summary
MAX_DEDUP_KEY = 255  # characters of an incident key or dedup key
MAX_KEY = 128  # of an integration key: PagerDuty's have 32, a file name takes 255 bytes
MARK = "…"  # stands where text was cut

_ZONES = ("Z", "+00:00", "-00:00", "+0000", "-0000")
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class EventError(ValueError):
    """A field breaks a rule of the Events API; the text names field, limit and value."""


def shorten(text: str, limit: int = 40) -> str:
    """Return `text` short enough for a message."""
    return text if len(text) <= limit else text[: limit - 1] + MARK


def mask(key: str) -> str:
    """Return an integration key fit for a log: its last four characters."""
    return "..." + (key[-4:] if len(key) > 8 else key[-2:] if len(key) > 4 else "")


def check_key(field: str, key: Any) -> None:
    """Raise EventError unless `key` can be an integration key.

    PagerDuty's are 32 letters and digits; the key is part of a file name, so that is the rule.
    """
    if not isinstance(key, str) or not key:
        raise EventError(f"{field} is empty: give the integration key of the service")
    if len(key) > MAX_KEY:
        raise EventError(f"{field} is too long: {len(key)} characters, the limit is {MAX_KEY}")
    if not key.isascii() or not key.replace("_", "a").replace("-", "a").isalnum():
        raise EventError(f"{field} {mask(clean(key))} has a character other than A-Z a-z 0-9 _ -")


def check_timestamp(field: str, text: Any) -> None:
    """Raise EventError unless `text` is an ISO 8601 date and time with a zone."""
    if not (isinstance(text, str) and _is_timestamp(text)):
        raise EventError(
            f"{field} is not a time with zone: {shorten(str(text))!r};"
            " write it as 2026-05-04T03:02:01Z or 2026-05-04T05:02:01.250+02:00"
        )


def _is_timestamp(text: str) -> bool:
    shape = "".join("0" if "0" <= char <= "9" else char for char in text)
    zone, digits = shape[19:], 1
    if zone.startswith("."):
        zone = shape[20:].lstrip("0")
        digits = len(shape) - 20 - len(zone)
    if shape[:19] != "0000-00-00T00:00:00" or not 1 <= digits <= 9 or zone not in _ZONES:
        return False
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    offset = text[len(text) - len(zone) + 1 :]
    return (
        _is_day(year, month, day)
        and _is_clock(text[11:13], text[14:16])
        and int(text[17:19]) < 60
        and (zone == "Z" or _is_clock(offset[:2], offset[-2:]))
    )


def _is_day(year: int, month: int, day: int) -> bool:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if month == 2 and day == 29:
        return leap
    return year > 0 and 1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]


def _is_clock(hours: str, minutes: str) -> bool:
    return int(hours) < 24 and int(minutes) < 60


def _text(limit: int = 0) -> Check:
    def check(field: str, value: Any) -> None:
        if not isinstance(value, str):
            raise EventError(f"{field} must be text, not {type(value).__name__}")
        if limit and len(value) > limit:
            raise EventError(
                f"{field} is too long: {len(value)} characters, the limit is {limit}:"
                f" {shorten(value)!r}"
            )

    return check


def _choice(words: tuple[str, ...]) -> Check:
    def check(field: str, value: Any) -> None:
        if value not in words:
            raise EventError(f"{field} is {shorten(str(value))!r}, allowed: {', '.join(words)}")

    return check


def _object(field: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise EventError(f"{field} must be an object, not {type(value).__name__}")


def _list_of(check_entry: Check) -> Check:
    def check(field: str, value: Any) -> None:
        if not isinstance(value, (list, tuple)):
            raise EventError(f"{field} must be a list, not {type(value).__name__}")
        for index, entry in enumerate(value):
            where = f"{field}[{index}]"
            _object(where, entry)
            for name, text in entry.items():
                _text()(f"{where}.{name}", text)
            check_entry(where, entry)

    return check


def _link(where: str, entry: Any) -> None:
    if not entry.get("href", "").strip():
        raise EventError(f"{where}.href is missing")


def _image(where: str, entry: Any) -> None:
    src = entry.get("src", "")
    if not src.startswith("https://"):
        raise EventError(f"{where}.src must start with https://: {shorten(src)!r}")


def _context(where: str, entry: Any) -> None:
    _choice(tuple(_CONTEXTS))(f"{where}.type", entry.get("type", ""))
    _CONTEXTS[entry["type"]](where, entry)


def _payload_of(rules: Mapping[str, Check]) -> Check:
    def check(field: str, value: Any) -> None:
        _object(field, value)
        _apply(rules, value, field + ".")

    return check


_CONTEXTS: Mapping[str, Check] = {"link": _link, "image": _image}
_LINKS = {"links": _list_of(_link), "images": _list_of(_image)}
_CHANGE_PAYLOAD: Mapping[str, Check] = {
    "summary": _text(MAX_TEXT),
    "source": _text(),
    "timestamp": check_timestamp,
    "custom_details": _object,
}
_RULES: Mapping[str, Mapping[str, Check]] = {
    "v1": {
        "service_key": check_key,
        "event_type": _choice(ACTIONS),
        "incident_key": _text(MAX_DEDUP_KEY),
        "description": _text(MAX_TEXT),
        "client": _text(),
        "client_url": _text(),
        "details": _object,
        "contexts": _list_of(_context),
        "agent": _object,
    },
    "v2": {
        "routing_key": check_key,
        "event_action": _choice(ACTIONS),
        "dedup_key": _text(MAX_DEDUP_KEY),
        "client": _text(),
        "client_url": _text(),
        "payload": _payload_of(
            {
                **_CHANGE_PAYLOAD,
                "severity": _choice(SEVERITIES),
                "component": _text(),
                "group": _text(),
                "class": _text(),
            }
        ),
        **_LINKS,
    },
    "change": {"routing_key": check_key, "payload": _payload_of(_CHANGE_PAYLOAD), **_LINKS},
}
KEY_FIELD = {"v1": "service_key", "v2": "routing_key", "change": "routing_key"}
DEDUP_FIELD = {"v1": "incident_key", "v2": "dedup_key"}
LONG_TEXT = {
    "v1": ("description", "details"),
    "v2": ("summary", "custom_details"),
    "change": ("summary", "custom_details"),
}
ACTION_FIELD = {"v1": "event_type", "v2": "event_action"}

# (kind, action) -> fields that must be there and not blank; a change event has no action.
_REQUIRED: Mapping[tuple[str, str | None], tuple[str, ...]] = {
    ("v1", None): ("event_type",),
    ("v1", "trigger"): ("description",),
    ("v1", "acknowledge"): ("incident_key",),
    ("v1", "resolve"): ("incident_key",),
    ("v2", None): ("event_action",),
    ("v2", "trigger"): ("payload.summary", "payload.source", "payload.severity"),
    ("v2", "acknowledge"): ("dedup_key",),
    ("v2", "resolve"): ("dedup_key",),
    ("change", None): ("payload.summary",),
}


def check(kind: str, body: dict[str, Any]) -> None:
    """Raise EventError for the first rule that `body`, an event of `kind`, breaks."""
    _apply(_RULES[kind], body)
    if kind == "change" and body.get("routing_key", "").startswith("R"):
        raise EventError("routing_key of a ruleset (R...) cannot receive change events")
    action_field = ACTION_FIELD.get(kind)
    action = body.get(action_field) if action_field else None
    for path in (KEY_FIELD[kind], *_REQUIRED[kind, action]):
        holder, _, field = path.rpartition(".")
        value = (body.get(holder, {}) if holder else body).get(field, "")
        if not value.strip():
            raise EventError(f"{path} is missing: {action or kind} events require it")


def _apply(rules: Mapping[str, Check], fields: Mapping[str, Any], prefix: str = "") -> None:
    for name, check in rules.items():
        if name in fields:
            check(prefix + name, fields[name])
