"""Nagios and Icinga notifications."""

from __future__ import annotations

from pdagent.event import Event, EventError
from pdagent.sources import keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

EVENT_TYPES = {"PROBLEM": "trigger", "ACKNOWLEDGEMENT": "acknowledge", "RECOVERY": "resolve"}

# Notification type -> fields it must bring; the order in messages is 1.x's.
REQUIRED = {
    "service": ("HOSTNAME", "SERVICEDESC", "SERVICESTATE"),
    "host": ("HOSTNAME", "HOSTSTATE"),
}
_DESCRIBED = {
    "service": ("SERVICEDESC", "SERVICESTATE", "HOSTNAME"),
    "host": ("HOSTNAME", "HOSTSTATE"),
}


def event(
    key: str,
    notification: str,
    subject: str,
    fields: Mapping[str, str],
    incident_key: str | None = None,
) -> Event:
    """Return the event for a `notification` (PROBLEM, …) about a `subject` (service or host).

    `fields` are Nagios macros by name without $. Raises EventError.
    """
    missing = [name for name in REQUIRED[subject] if name not in fields]
    if missing:
        names = ", ".join(REQUIRED[subject])
        raise EventError(f"Missing fields for type '{subject}'.  {names} required")
    return Event.v1(
        key,
        EVENT_TYPES[notification],
        incident_key=incident_key or keys.fit(_incident_key(subject, fields)),
        description="; ".join(f"{name}={fields[name]}" for name in _DESCRIBED[subject]),
        client="",
        client_url="",
        details={**fields, "pd_nagios_object": subject},
    )


def _incident_key(subject: str, fields: Mapping[str, str]) -> str:
    key = f"event_source={subject};host_name={fields['HOSTNAME']}"
    return key if subject == "host" else f"{key};service_desc={fields['SERVICEDESC']}"
