"""What an event is: the field rules of the Events API, the request body, its endpoint.

Facts from developer.pagerduty.com: "Events API v1" (create_event), "Send an Alert Event" (v2)
and "Send a Change Event", with the limits of the published API schema. Text is measured in
characters (code points), the body in encoded bytes.
"""

from __future__ import annotations

from pdagent.jsontext import JsonError, clean, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    Check = Callable[[str, Any], None]

PATHS = {
    "v1": "/generic/2010-04-15/create_event.json",
    "v2": "/v2/enqueue",
    "change": "/v2/change/enqueue",
}
ACTIONS = ("trigger", "acknowledge", "resolve")
SEVERITIES = ("critical", "error", "warning", "info")

MAX_TEXT = 1024  # characters of a description or summary
MAX_DEDUP_KEY = 255  # characters of an incident key or dedup key
MAX_KEY = 128  # characters of an integration key; PagerDuty's have 32
MAX_BODY = 512 * 1024  # bytes of an encoded body
CUT_MARK = "…"

_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class EventError(ValueError):
    """A field breaks a rule of the Events API; the text names field, limit and value."""


class Event:
    """One event: `kind` is v1, v2 or change, `key` the integration key, `body` the request."""

    __slots__ = ("body", "key", "kind")

    def __init__(self, body: dict[str, Any]) -> None:
        """Take over a request body in the API's own form and check it.

        An over-long description or summary is cut and kept whole in the details.
        Raises EventError.
        """
        self.kind = kind_of(body)
        self.body = _without_none(body)
        _cut_long_text(self.kind, self.body)
        _check(self.kind, self.body)
        self.key: str = self.body[_KEY_FIELD[self.kind]]

    @classmethod
    def v1(cls, key: str, event_type: str, **fields: Any) -> Event:
        """Build an Events API v1 event.

        `event_type` is trigger, acknowledge or resolve; `fields` are incident_key, description,
        client, client_url, details, contexts and agent. None means not given.
        """
        details = fields.pop("details", None)
        body = {"service_key": key, "event_type": event_type, "details": details or {}}
        return cls({**body, **fields})

    @classmethod
    def v2(
        cls,
        key: str,
        event_action: str,
        *,
        dedup_key: str | None = None,
        client: str | None = None,
        client_url: str | None = None,
        links: Sequence[Mapping[str, str]] | None = None,
        images: Sequence[Mapping[str, str]] | None = None,
        **payload: Any,
    ) -> Event:
        """Build an Events API v2 alert event.

        `payload` fields are summary, source, severity, timestamp, component, group, class and
        custom_details; class may be spelt class_.
        """
        body = {
            "routing_key": key,
            "event_action": event_action,
            "dedup_key": dedup_key,
            "client": client,
            "client_url": client_url,
            "links": list(links or ()) or None,
            "images": list(images or ()) or None,
            "payload": _payload(payload) or None,
        }
        return cls(body)

    @classmethod
    def change(
        cls,
        key: str,
        *,
        links: Sequence[Mapping[str, str]] | None = None,
        images: Sequence[Mapping[str, str]] | None = None,
        **payload: Any,
    ) -> Event:
        """Build a change event; `payload` fields are summary, source, timestamp, custom_details."""
        body = {
            "routing_key": key,
            "links": list(links or ()) or None,
            "images": list(images or ()) or None,
            "payload": _payload(payload),
        }
        return cls(body)

    @property
    def dedup_field(self) -> str:
        """The field of the key that ties a trigger to its resolve; "" for a change event."""
        return _DEDUP_FIELD.get(self.kind, "")

    @property
    def dedup_key(self) -> str | None:
        """The incident key (v1) or dedup key (v2), if there is one."""
        return self.body.get(self.dedup_field)

    @property
    def action(self) -> str | None:
        """trigger, acknowledge or resolve; None for a change event."""
        return self.body.get(_ACTION_FIELD.get(self.kind, ""))

    def encode(self) -> bytes:
        """Return the body as sent: compact JSON, sorted keys, ASCII. Raises EventError."""
        try:
            raw = encode(self.body)
        except JsonError as error:
            raise EventError(str(error)) from None
        if len(raw) > MAX_BODY:
            raise EventError(f"body is too big: {len(raw)} bytes, the limit is {MAX_BODY} bytes")
        return raw


def kind_of(body: object) -> str:
    """Tell v1, v2 and change bodies apart by their fields. Raises EventError for anything else."""
    if not isinstance(body, dict):
        raise EventError("event is not a JSON object")
    if "service_key" in body:
        return "v1"
    if "routing_key" in body:
        return "v2" if "event_action" in body else "change"
    raise EventError("event has neither service_key (v1) nor routing_key (v2, change)")


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
    """Raise EventError unless `text` is an ISO 8601 date and time with a zone (RFC 3339)."""
    date, _, rest = str(text).replace("t", "T").replace(" ", "T").partition("T")
    clock, zone = _split_zone(rest)
    clock, _, fraction = clock.partition(".")
    numbers = [_number(part) for part in (*date.split("-"), *clock.split(":"))]
    shape = [len(part) for part in (*date.split("-"), *clock.split(":"))]
    ok = shape == [4, 2, 2, 2, 2, 2] and None not in numbers and zone is not None
    if ok and "." in rest:
        ok = _number(fraction) is not None
    if not ok or not _in_calendar(*(number or 0 for number in numbers)):
        raise EventError(
            f"{field} is not a time: {shorten(str(text))!r};"
            " write it as 2026-05-04T03:02:01Z or 2026-05-04T05:02:01+02:00"
        )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _split_zone(text: str) -> tuple[str, str | None]:
    """Split 03:02:01+02:00 into clock and zone; the zone is None where missing or wrong."""
    if text[-1:] in ("Z", "z"):
        return text[:-1], "Z"
    at = max(text.rfind("+"), text.rfind("-"))
    hours, minutes = text[at + 1 : at + 3], text[at + 3 :].lstrip(":")
    if at < 0 or len(hours) != 2 or len(minutes) not in (0, 2) or text[at + 3 :].count(":") > 1:
        return text, None
    h, m = _number(hours), _number(minutes or "0")
    return text[:at], text[at:] if h is not None and m is not None and h < 24 and m < 60 else None


def _in_calendar(year: int, month: int, day: int, hour: int, minute: int, second: int) -> bool:
    if not (year and 1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]):
        return False
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return (month != 2 or day < 29 or leap) and hour < 24 and minute < 60 and second <= 60


def shorten(text: str, limit: int = 40) -> str:
    """Return `text` short enough for a message."""
    return text if len(text) <= limit else text[: limit - 1] + CUT_MARK


def cut(text: str, limit: int = MAX_TEXT) -> str:
    """Return `text` cut to `limit` characters with a mark at its end.

    The cut does not part a letter from its combining accents or an emoji from its joiner.
    """
    from unicodedata import combining

    end = limit - len(CUT_MARK)
    while end > 1 and (combining(text[end]) or "\u200d" in text[end - 1 : end + 1]):
        end -= 1
    return text[:end] + CUT_MARK


def _cut_long_text(kind: str, body: dict[str, Any]) -> None:
    """Cut an over-long description or summary; the whole text goes into the details."""
    holder: Any = body if kind == "v1" else body.get("payload")
    field, details_field = _LONG_TEXT[kind]
    if not isinstance(holder, dict):
        return
    text, details = holder.get(field), holder.get(details_field, {})
    if not isinstance(text, str) or len(text) <= MAX_TEXT or not isinstance(details, dict):
        return
    name = "full_" + field
    while name in details:
        name += "_"
    holder[field] = cut(text)
    holder[details_field] = {**details, name: text}


def _payload(fields: dict[str, Any]) -> dict[str, Any]:
    if "class_" in fields:
        fields["class"] = fields.pop("class_")
    return _without_none(fields)


def _without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy without what was not given; payload is copied too as it may be cut."""
    return {
        name: _without_none(value) if name == "payload" and isinstance(value, dict) else value
        for name, value in fields.items()
        if value is not None
    }


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


def _list_of(required: str, *, https: bool = False) -> Check:
    def check(field: str, value: Any) -> None:
        if not isinstance(value, (list, tuple)):
            raise EventError(f"{field} must be a list, not {type(value).__name__}")
        for index, entry in enumerate(value):
            _object(f"{field}[{index}]", entry)
            where = f"{field}[{index}].{required}"
            _text()(where, entry.get(required, ""))
            if https and not entry.get(required, "").startswith("https://"):
                raise EventError(f"{where} must start with https://: {shorten(entry[required])!r}")
            if not entry.get(required):
                raise EventError(f"{where} is missing")

    return check


def _payload_of(rules: Mapping[str, Check]) -> Check:
    def check(field: str, value: Any) -> None:
        _object(field, value)
        _apply(rules, value, field + ".")

    return check


_LINKS = {"links": _list_of("href"), "images": _list_of("src", https=True)}
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
        "contexts": _list_of("type"),
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
_KEY_FIELD = {"v1": "service_key", "v2": "routing_key", "change": "routing_key"}
_DEDUP_FIELD = {"v1": "incident_key", "v2": "dedup_key"}
_LONG_TEXT = {
    "v1": ("description", "details"),
    "v2": ("summary", "custom_details"),
    "change": ("summary", "custom_details"),
}
_ACTION_FIELD = {"v1": "event_type", "v2": "event_action"}

# (kind, action) -> fields that must be there and not blank; ("change", None) has no action.
_REQUIRED: Mapping[tuple[str, str | None], tuple[str, ...]] = {
    ("v1", "trigger"): ("description",),
    ("v1", "acknowledge"): ("incident_key",),
    ("v1", "resolve"): ("incident_key",),
    ("v2", "trigger"): ("payload.summary", "payload.source", "payload.severity"),
    ("v2", "acknowledge"): ("dedup_key",),
    ("v2", "resolve"): ("dedup_key",),
    ("change", None): ("payload.summary",),
}


def _check(kind: str, body: dict[str, Any]) -> None:
    _apply(_RULES[kind], body)
    action = body.get(_ACTION_FIELD.get(kind, ""))
    for path in (_KEY_FIELD[kind], *_REQUIRED.get((kind, action), (_ACTION_FIELD.get(kind, ""),))):
        holder, _, field = path.rpartition(".")
        value = (body.get(holder, {}) if holder else body).get(field, "")
        if not value.strip():
            subject = f"{action} event" if action else "change event"
            raise EventError(f"{path} is missing: a {subject} requires it")


def _apply(rules: Mapping[str, Check], fields: Mapping[str, Any], prefix: str = "") -> None:
    for name, check in rules.items():
        if name in fields:
            check(prefix + name, fields[name])
