"""Sensu handler events: Sensu Core 1.x (client, check, action) and Sensu Go (entity, check)."""

from __future__ import annotations

from pdagent.event import MAX_TEXT, Event, EventError, cut
from pdagent.sources import keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ACTIONS = {"resolve": "resolve", "create": "trigger"}


def parse(text: str) -> dict[str, Any]:
    """Return the event in the JSON that Sensu writes to a handler. Raises EventError."""
    import json

    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EventError(f"standard input is not JSON ({len(text)} characters): {error}") from None
    if not isinstance(found, dict):
        raise EventError("standard input is not a Sensu event: not a JSON object")
    return found


def event(key: str, details: dict[str, Any], incident_key: str | None = None) -> Event:
    """Return the event for a parsed Sensu event. Raises EventError."""
    check = _part(details, "check")
    incident_key = incident_key or keys.fit(_incident_key(details))
    description = f"{incident_key} : {_required(check, 'check', 'output')}"
    return Event.v1(
        key,
        _event_type(details, check),
        incident_key=incident_key,
        # The whole text is in the details as check.output already.
        description=cut(description) if len(description) > MAX_TEXT else description,
        client="",
        client_url="",
        details=details,
    )


def _event_type(details: dict[str, Any], check: dict[str, Any]) -> str:
    """Return the event type; whatever is not known as good news, such as flapping, triggers."""
    if "entity" in details and "action" not in details:
        return "resolve" if _required(check, "check", "status") == 0 else "trigger"
    action = _required(details, "event", "action")
    return _ACTIONS.get(action, "trigger") if isinstance(action, str) else "trigger"


def _incident_key(details: dict[str, Any]) -> str:
    for owner in ("client", "entity"):
        if owner in details and "check" in details:
            return f"{_name(details, owner)}/{_name(details, 'check')}"
    return str(_required(details, "event", "id"))


def _name(details: dict[str, Any], part: str) -> Any:
    """Return the name of a client, entity or check; Sensu Go keeps it in metadata."""
    holder = _part(details, part)
    if "name" not in holder and "metadata" in holder:
        return _required(_part(holder, "metadata"), f"{part}.metadata", "name")
    return _required(holder, part, "name")


def _part(details: dict[str, Any], name: str) -> dict[str, Any]:
    found = details.get(name)
    if not isinstance(found, dict):
        raise EventError(f"Sensu event has no object {name}")
    return found


def _required(holder: dict[str, Any], where: str, name: str) -> Any:
    if name not in holder:
        raise EventError(f"Sensu event has no {where}.{name}")
    return holder[name]
