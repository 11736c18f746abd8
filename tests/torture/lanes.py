"""Numbered events in numbered lanes; light, because senders that are killed import it."""

from __future__ import annotations

from pdagent.event import Event


def key(lane: int) -> str:
    """The integration key of a lane."""
    return f"{lane:032d}"


def trigger(lane: int, number: int) -> Event:
    """Event ``number`` of a lane; its incident key and details carry the number."""
    return Event.v1(
        key(lane),
        "trigger",
        description=f"event {number} of lane {lane}",
        incident_key=f"{lane}/{number}",
        details={"number": number},
    )
