"""From an event to a file in the queue, as the settings say: what every submitter shares."""

from __future__ import annotations

import os
import time

from pdagent.event import BodySizeError, Event
from pdagent.outqueue import inbox
from pdagent.settings import Settings, load

CONFIG_VARIABLE = "PDAGENT_CONFIG"


def submit(event: Event, *, config: str = "", queued_by: str = "pdagent.submit") -> str:
    """Queue `event` for PagerDuty and return the name of its file in the queue.

    On return the event is synced to disk; the daemon, now or when it next runs, sends it.
    `config` is the settings file (else $PDAGENT_CONFIG, else /etc/pdagent.conf), `queued_by`
    the tool's name, kept in v1 events. Raises EventError for an event that PagerDuty would
    refuse, SubmitError when it cannot be stored, SettingsError for an unusable settings file.
    """
    settings = settings_for(config)
    return store(complete(event, settings, queued_by), settings)


def settings_for(config: str | None) -> Settings:
    """Load the settings that `config`, the environment or the default name."""
    return load(config or os.environ.get(CONFIG_VARIABLE, ""))


def complete(event: Event, settings: Settings, queued_by: str) -> Event:
    """Return `event` with what the agent adds.

    v1 events say which agent and tool queued them and when. A trigger without a key gets a
    generated one, so that PagerDuty takes a repeat after a crash for the same alert.
    """
    body = dict(event.body)
    if event.kind == "v1" and "agent" not in body:
        body["agent"] = {
            "agent_id": agent_id(settings),
            "queued_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "queued_by": queued_by,
        }
    if event.action == "trigger" and not event.dedup_key:
        body[event.dedup_field] = os.urandom(16).hex()
    return Event(body)


def store(event: Event, settings: Settings) -> str:
    """Queue a completed event; returns its file name. Raises EventError and SubmitError."""
    return inbox.submit(
        settings.outqueue_dir,
        event.key,
        event.encode(),
        limits=inbox.Limits.of(settings),
        wake_fifo=settings.wake_fifo,
    )


def store_trimmed(event: Event, settings: Settings) -> str:
    """Queue a completed event of a monitoring tool; over-long details cost no page.

    Raises EventError and SubmitError.
    """
    try:
        return store(event, settings)
    except BodySizeError:
        from pdagent.sources.trim import trim

        return store(trim(event), settings)


def agent_id(settings: Settings) -> str | None:
    """Return this agent's UUID, or None when the file is missing or does not hold one."""
    try:
        with open(settings.agent_id_file, "rb") as file:
            text = file.read(100).decode("ascii", "replace").strip()
    except OSError:
        return None
    parts = text.split("-")
    digits = "".join(parts)
    is_uuid = [len(part) for part in parts] == [8, 4, 4, 4, 12]
    return text if is_uuid and all(digit in "0123456789abcdefABCDEF" for digit in digits) else None
