"""Events: building, cutting, encoding: promises 10 and 13."""

from __future__ import annotations

import json

import pytest

from pdagent.event import MAX_BODY, PATHS, Event, EventError, cut, mask

KEY = "0123456789abcdef0123456789abcdef"


def test_v1_builder_writes_what_1_x_wrote():
    event = Event.v1(
        KEY,
        "trigger",
        description="backup failed on web3",
        incident_key="backup/web3",
        client=None,
        details={"rc": "2", "job": "nightly"},
    )

    assert (
        event.encode()
        == (
            b'{"description":"backup failed on web3","details":{"job":"nightly","rc":"2"},'
            b'"event_type":"trigger","incident_key":"backup/web3","service_key":"' + KEY.encode()
        )
        + b'"}'
    )
    assert (event.kind, event.key, event.action) == ("v1", KEY, "trigger")
    assert event.dedup_key == "backup/web3"


def test_v1_details_are_an_empty_object_when_there_are_none():
    assert Event.v1(KEY, "trigger", description="d").body["details"] == {}


def test_v2_builder_puts_each_field_in_its_place():
    event = Event.v2(
        KEY,
        "trigger",
        dedup_key="k",
        client="cron",
        client_url="https://cron.example",
        links=[{"href": "https://a.example"}],
        images=[{"src": "https://b.example"}],
        summary="s",
        source="db7",
        severity="warning",
        timestamp="2026-05-04T03:02:01Z",
        component="c",
        group="g",
        class_="x",
        custom_details={"a": 1},
    )

    assert event.body == {
        "routing_key": KEY,
        "event_action": "trigger",
        "dedup_key": "k",
        "client": "cron",
        "client_url": "https://cron.example",
        "links": [{"href": "https://a.example"}],
        "images": [{"src": "https://b.example"}],
        "payload": {
            "summary": "s",
            "source": "db7",
            "severity": "warning",
            "timestamp": "2026-05-04T03:02:01Z",
            "component": "c",
            "group": "g",
            "class": "x",
            "custom_details": {"a": 1},
        },
    }
    assert (event.kind, event.dedup_field, event.dedup_key) == ("v2", "dedup_key", "k")


def test_v2_resolve_needs_no_payload():
    assert Event.v2(KEY, "resolve", dedup_key="k").body == {
        "routing_key": KEY,
        "event_action": "resolve",
        "dedup_key": "k",
    }


def test_change_event_has_neither_action_nor_dedup_key():
    event = Event.change(KEY, summary="deployed", source="ci", links=[{"href": "https://ci"}])

    assert event.body == {
        "routing_key": KEY,
        "payload": {"summary": "deployed", "source": "ci"},
        "links": [{"href": "https://ci"}],
    }
    assert (event.kind, event.action, event.dedup_field, event.dedup_key) == (
        "change",
        None,
        "",
        None,
    )


def test_each_kind_has_its_endpoint():
    assert PATHS == {
        "v1": "/generic/2010-04-15/create_event.json",
        "v2": "/v2/enqueue",
        "change": "/v2/change/enqueue",
    }


LONG = "ü" * 1000 + "x" * 25


@pytest.mark.parametrize(
    ("event", "holder", "field", "details"),
    [
        (Event.v1(KEY, "trigger", description=LONG, details={"a": "b"}), None, "description", None),
        (
            Event.v2(
                KEY,
                "trigger",
                summary=LONG,
                source="s",
                severity="info",
                custom_details={"a": "b"},
            ),
            "payload",
            "summary",
            "custom_details",
        ),
        (
            Event.change(KEY, summary=LONG, custom_details={"a": "b"}),
            "payload",
            "summary",
            "custom_details",
        ),
    ],
    ids=["v1", "v2", "change"],
)
def test_over_long_text_is_cut_with_a_mark_and_kept_whole_in_the_details(
    event, holder, field, details
):
    fields = event.body[holder] if holder else event.body

    assert fields[field] == "ü" * 1000 + "x" * 23 + "…"
    assert len(fields[field]) == 1024
    assert fields[details or "details"] == {"a": "b", f"full_{field}": LONG}


def test_the_whole_text_overwrites_no_detail_of_the_user():
    event = Event.v1(KEY, "trigger", description=LONG, details={"full_description": "mine"})

    assert event.body["details"] == {"full_description": "mine", "full_description_": LONG}


def test_the_callers_body_is_left_alone():
    body = {"routing_key": KEY, "payload": {"summary": LONG}, "links": None}

    Event(body)

    assert body == {"routing_key": KEY, "payload": {"summary": LONG}, "links": None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abcdefghij", "abcd…"),
        ("abce\u0301fghij", "abc…"),
        ("abc\U0001f468\u200d\U0001f469\u200d\U0001f467", "abc…"),
        ("abc\U0001f44b\U0001f3fdxyz", "abc…"),
        ("a" + "\u0301" * 40, "a\u0301\u0301\u0301…"),
    ],
    ids=["letters", "accent", "family", "skin tone", "nothing but accents"],
)
def test_a_cut_parts_no_letter_from_its_accent_and_no_emoji(text, expected):
    assert cut(text, 5) == expected


def test_body_may_be_512_kib_encoded_and_not_a_byte_more():
    room = MAX_BODY - len(Event.v1(KEY, "trigger", description="d", details={"a": ""}).encode())
    fits = Event.v1(KEY, "trigger", description="d", details={"a": "x" * room})
    over = Event.v1(KEY, "trigger", description="d", details={"a": "x" * (room + 1)})

    assert len(fits.encode()) == MAX_BODY
    with pytest.raises(EventError, match="body is too big: 524289 bytes, the limit is 524288"):
        over.encode()


def test_body_size_counts_what_is_sent_and_not_characters():
    event = Event.v1(KEY, "trigger", description="d", details={"a": "ü" * 100_000})

    with pytest.raises(EventError, match="body is too big: 6001"):
        event.encode()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "value nan cannot be sent as JSON"),
        (float("inf"), "value inf cannot be sent as JSON"),
        (b"x", "value b'x' cannot be sent as JSON"),
        ({5: "x"}, "field name 5 is not text"),
    ],
)
def test_what_json_cannot_carry_is_an_error_of_the_event(value, message):
    with pytest.raises(EventError, match=message):
        Event.v1(KEY, "trigger", description="d", details={"a": value}).encode()


def test_endless_nesting_is_an_error_of_the_event():
    nested = {}
    nested["again"] = nested

    with pytest.raises(EventError, match="nested too deeply"):
        Event.v1(KEY, "trigger", description="d", details=nested).encode()


def test_arguments_that_are_not_utf_8_are_read_as_latin_1():
    event = Event.v1(KEY, "trigger", description="caf\udce9 \u00e9 \ud800")

    assert json.loads(event.encode())["description"] == "caf\u00e9 \u00e9 \ufffd"


@pytest.mark.parametrize(
    ("key", "masked"), [(KEY, "...cdef"), ("short", "...rt"), ("abc", "..."), ("", "...")]
)
def test_masked_keys_show_four_characters_at_most_and_never_half_of_a_short_one(key, masked):
    assert mask(key) == masked
