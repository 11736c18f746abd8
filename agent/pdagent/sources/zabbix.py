"""Zabbix alert scripts: a key, a message type and a body of ``name:value`` lines."""

from __future__ import annotations

from pdagent.event import ACTIONS, Event, EventError, shorten
from pdagent.sources import keys

DESCRIBED = ("name", "status", "hostname")
_CANCELLED = "Escalation cancelled"
_CONVERTED = " (converted from trigger to resolve by pdagent integration)"


def event(key: str, message_type: str, message: str) -> Event:
    """Return the event for an alert; `message_type` is trigger, acknowledge or resolve.

    A trigger that notes that its escalation was cancelled resolves. Raises EventError.
    """
    if message_type not in ACTIONS:
        raise EventError(
            f"message type is {shorten(message_type)!r}, allowed: {', '.join(ACTIONS)}"
        )
    details = parse(message)
    _require(details)
    if message_type == "trigger" and _CANCELLED in details.get("NOTE", ""):
        message_type = "resolve"
        details["NOTE"] += _CONVERTED
    url = details.get("url", "")
    return Event.v1(
        key,
        message_type,
        incident_key=details.get("incident_key") or _incident_key(details),
        description=f"{details['name']} : {details['status']} for {details['hostname']}",
        client="Zabbix" if url else "",
        client_url=url,
        details=details,
    )


def parse(message: str) -> dict[str, str]:
    """Return the fields of a message body.

    A line without a colon continues the value before it. Values are not trimmed: incident keys
    are made of them, and those of open alerts must not change.
    """
    details: dict[str, str] = {}
    last = ""
    for raw in message.strip().split("\n"):
        line = raw.strip()
        name, colon, value = line.partition(":")
        if colon:
            details[name] = value
            last = name
        elif details:
            details[last] += line
        else:
            details[line] = line
            last = line
    return details


def _require(details: dict[str, str]) -> None:
    needed = DESCRIBED if details.get("incident_key") else (*DESCRIBED, "id")
    missing = [name for name in needed if name not in details]
    if missing:
        raise EventError(
            f"message body lacks {', '.join(missing)}: it must have lines name:, id:, status:"
            " and hostname: (see the action's message in Zabbix)"
        )


def _incident_key(details: dict[str, str]) -> str:
    return keys.fit(f"{details['id']}-{details['hostname']}")
