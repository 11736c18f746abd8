"""What an event is: one of three kinds, its request body, and the endpoint that takes it."""

from __future__ import annotations

from pdagent.fieldrules import (
    ACTION_FIELD,
    ACTIONS,
    DEDUP_FIELD,
    KEY_FIELD,
    LONG_TEXT,
    MARK,
    MAX_DEDUP_KEY,
    MAX_TEXT,
    SEVERITIES,
    EventError,
    check,
    check_key,
    mask,
    shorten,
)
from pdagent.jsontext import JsonError, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = [
    "ACTIONS",
    "MAX_BODY",
    "MAX_DEDUP_KEY",
    "MAX_TEXT",
    "PATHS",
    "SEVERITIES",
    "BodySizeError",
    "Event",
    "EventError",
    "check_key",
    "cut",
    "kind_of",
    "mask",
    "shorten",
]

PATHS = {
    "v1": "/generic/2010-04-15/create_event.json",
    "v2": "/v2/enqueue",
    "change": "/v2/change/enqueue",
}
MAX_BODY = 512 * 1024  # bytes of an encoded body
_LONGEST_SEQUENCE = 32  # characters looked back over for the start of a letter or emoji


class BodySizeError(EventError):
    """The encoded body is larger than the Events API takes."""


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
        check(self.kind, self.body)
        self.key: str = self.body[KEY_FIELD[self.kind]]

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
        return DEDUP_FIELD.get(self.kind, "")

    @property
    def dedup_key(self) -> str | None:
        """The incident key (v1) or dedup key (v2), if there is one."""
        return self.body.get(self.dedup_field) if self.dedup_field else None

    @property
    def action(self) -> str | None:
        """trigger, acknowledge or resolve; None for a change event."""
        field = ACTION_FIELD.get(self.kind)
        return self.body.get(field) if field else None

    def encode(self) -> bytes:
        """Return the body as sent: compact JSON, sorted keys, ASCII.

        Raises BodySizeError, and EventError for what JSON cannot carry.
        """
        try:
            raw = encode(self.body)
        except JsonError as error:
            raise EventError(str(error)) from None
        if len(raw) > MAX_BODY:
            raise BodySizeError(f"body is too big: {len(raw)} bytes, the limit is {MAX_BODY} bytes")
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


def cut(text: str, limit: int = MAX_TEXT) -> str:
    """Return `text` cut to `limit` characters, the last being a mark.

    A letter keeps its accents, and no emoji is left without the rest of its sequence.
    """
    end = limit - len(MARK)
    for back in range(min(_LONGEST_SEQUENCE, end)):
        if not _joined(text, end - back):
            return text[: end - back] + MARK
    return text[:end] + MARK


def _joined(text: str, at: int) -> bool:
    """Tell whether the characters before and after position `at` are seen as one."""
    from unicodedata import category

    joiner = "\u200d"
    after = text[at]
    modifies = category(after) in ("Mn", "Me", "Mc") or "\U0001f3fb" <= after <= "\U0001f3ff"
    return modifies or joiner in (text[at - 1], after)


def _cut_long_text(kind: str, body: dict[str, Any]) -> None:
    """Cut an over-long description or summary; the whole text goes into the details."""
    holder: Any = body if kind == "v1" else body.get("payload")
    field, details_field = LONG_TEXT[kind]
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
