"""An event that waits, as the tests of the queue know it."""

from pdagent.event import Event
from pdagent.outqueue import layout

KEY = "a" * 32
NAME = layout.name(1_700_000_000_000_000, KEY)
BODY = Event.v1(KEY, "trigger", description="disk full").encode()
