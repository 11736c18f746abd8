"""Details that the Events API would refuse for their size: cut and marked, the page goes out."""

from __future__ import annotations

import json

from pdagent.event import MAX_BODY, Event
from pdagent.sources.trim import trim

KEY = "0123456789abcdef0123456789abcdef"


def trimmed(details):
    event = trim(Event.v1(KEY, "trigger", description="disk full", details=details))

    assert len(event.encode()) <= MAX_BODY
    return event.body["details"]


def test_longest_text_is_halved_and_marked():
    details = trimmed({"output": "x" * 600_000, "short": "kept"})

    assert details == {"output": "x" * 300_000 + "… (cut)", "short": "kept"}


def test_text_that_grows_when_encoded_is_measured_encoded():
    details = trimmed({"a": "\u2620" * 40_000, "b": "\u2620" * 40_000, "notes": "ü" * 30_000})

    assert details["a"].endswith("… (cut)")
    assert details["notes"] == "ü" * 30_000


def test_texts_in_lists_and_objects_are_found():
    details = trimmed({"check": {"history": ["0", "y" * 600_000]}, "n": [1, None, True]})

    assert details["check"]["history"] == ["0", "y" * 300_000 + "… (cut)"]
    assert details["n"] == [1, None, True]


def test_very_many_short_texts_are_left_out_with_a_word_why():
    many = {f"line{n}": "short" for n in range(60_000)}
    size = len(json.dumps(many, separators=(",", ":")))

    assert trimmed(many) == {
        "pdagent": f"details of {size} bytes left out: PagerDuty takes {MAX_BODY} bytes"
    }


def test_the_caller_s_details_are_left_alone():
    details = {"output": "x" * 600_000}

    trimmed(details)

    assert len(details["output"]) == 600_000
