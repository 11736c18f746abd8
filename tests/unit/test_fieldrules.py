"""The field rules of the three kinds of event, with what a user reads when one is broken."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdagent.event import Event, EventError, kind_of
from tests.emulator import validation

KEY = "0123456789abcdef0123456789abcdef"
V2 = {"summary": "disk full", "source": "db7", "severity": "error"}


def v1(**fields):
    return {"service_key": KEY, "event_type": "trigger", "description": "d", **fields}


def v2(**payload):
    return {"routing_key": KEY, "event_action": "trigger", "payload": {**V2, **payload}}


def change(**payload):
    return {"routing_key": KEY, "payload": {"summary": "deployed", **payload}}


LINK = {"href": "https://wiki.example/", "text": "runbook"}
IMAGE = {"src": "https://img.example/a.png", "href": "https://img.example/", "alt": "load"}

ACCEPTED = {
    "v1 least": {"service_key": KEY, "event_type": "trigger", "description": "d"},
    "v1 resolve": {"service_key": KEY, "event_type": "resolve", "incident_key": "k"},
    "v1 all": v1(
        incident_key="k",
        client="cron",
        client_url="https://cron.example",
        details={"a": {"b": [1, None]}},
        contexts=[{"type": "link", **LINK}, {"type": "image", **IMAGE}],
    ),
    "v1 longest": v1(description="ü" * 1024, incident_key="ü" * 255),
    "v2 least": v2(),
    "v2 resolve": {"routing_key": KEY, "event_action": "resolve", "dedup_key": "k"},
    "v2 all": {
        **v2(
            timestamp="2015-07-17T08:42:58.315+0000",
            component="restic",
            group="backups",
            **{"class": "job"},
            custom_details={"rc": 2},
        ),
        "dedup_key": "k",
        "client": "cron",
        "client_url": "https://cron.example",
        "links": [LINK],
        "images": [IMAGE],
    },
    "change least": change(),
    "change all": {
        **change(source="ci", timestamp="2026-05-04T03:02:01Z", custom_details={"build": 7}),
        "links": [LINK],
    },
}


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_documented_event_is_accepted_as_it_is(body):
    assert json.loads(Event(body).encode()) == body


REFUSED = {
    "no object": ([], "event is not a JSON object"),
    "neither key": ({"summary": "x"}, "neither service_key (v1) nor routing_key"),
    "v1 key null": (v1(service_key=None), "service_key is missing: trigger events require it"),
    "v1 key empty": (v1(service_key=""), "service_key is empty"),
    "v1 key number": (v1(service_key=7), "service_key is empty"),
    "v1 key path": (v1(service_key="../../../etc/passwd"), "service_key ...sswd has a character"),
    "v1 key macro": (v1(service_key="$CONTACTPAGER$"), "service_key ...GER$ has a character"),
    "v1 key letters": (v1(service_key="schlüsselchen"), "service_key ...chen has a character"),
    "v1 key long": (v1(service_key="k" * 129), "too long: 129 characters, the limit is 128"),
    "v1 no type": ({"service_key": KEY}, "event_type is missing: v1 events require it"),
    "v1 type": (v1(event_type="trigge"), "event_type is 'trigge', allowed: trigger, acknowledge"),
    "v1 type list": (v1(event_type=["trigger"]), "event_type is \"['trigger']\", allowed"),
    "v1 blank": (v1(description=" \n"), "description is missing: trigger events require it"),
    "v1 number": (v1(description=5), "description must be text, not int"),
    "v1 resolve": (v1(event_type="resolve"), "incident_key is missing: resolve events"),
    "v1 long key": (
        v1(incident_key="k" * 256),
        "incident_key is too long: 256 characters, the limit is 255: 'kkk",
    ),
    "v1 details": (v1(details=["a"]), "details must be an object, not list"),
    "v1 contexts": (v1(contexts={}), "contexts must be a list, not dict"),
    "v1 context": (v1(contexts=["x"]), "contexts[0] must be an object, not str"),
    "v1 context type": (v1(contexts=[{"href": "x"}]), "contexts[0].type is '', allowed: link"),
    "v1 context link": (v1(contexts=[{"type": "link"}]), "contexts[0].href is missing"),
    "v1 context image": (
        v1(contexts=[{"type": "link", **LINK}, {"type": "image", "src": "http://img.example"}]),
        "contexts[1].src must start with https://: 'http://img.example'",
    ),
    "v2 action": ({**v2(), "event_action": "close"}, "event_action is 'close', allowed: trigger"),
    "v2 no payload": (
        {"routing_key": KEY, "event_action": "trigger"},
        "payload.summary is missing: trigger events require it",
    ),
    "v2 payload": ({**v2(), "payload": "text"}, "payload must be an object, not str"),
    "v2 source": (v2(source=""), "payload.source is missing: trigger events require it"),
    "v2 severity": (v2(severity="fatal"), "payload.severity is 'fatal', allowed: critical, error"),
    "v2 no severity": (v2(severity=None), "payload.severity is missing: trigger events"),
    "v2 class": (v2(**{"class": 5}), "payload.class must be text, not int"),
    "v2 ack": (
        {"routing_key": KEY, "event_action": "acknowledge"},
        "dedup_key is missing: acknowledge events require it",
    ),
    "v2 dedup": ({**v2(), "dedup_key": "k" * 256}, "dedup_key is too long: 256 characters"),
    "v2 time": (v2(timestamp="yesterday"), "payload.timestamp is not a time with zone: 'yester"),
    "v2 details": (v2(custom_details="x"), "payload.custom_details must be an object, not str"),
    "v2 link": ({**v2(), "links": [{"text": "x"}]}, "links[0].href is missing"),
    "v2 link text": ({**v2(), "links": [{**LINK, "text": 5}]}, "links[0].text must be text"),
    "v2 image": ({**v2(), "images": [{"src": "/a.png"}]}, "images[0].src must start with https"),
    "change summary": (change(summary=" "), "payload.summary is missing: change events"),
    "change ruleset": (
        {**change(), "routing_key": "R" + KEY[1:]},
        "routing_key of a ruleset (R...) cannot receive change events",
    ),
}


@pytest.mark.parametrize(("body", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_broken_rule_is_named_with_field_limit_and_value(body, message):
    with pytest.raises(EventError) as refusal:
        Event(body)
    assert message in str(refusal.value)
    assert KEY not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-04T03:02:01Z",
        "2026-05-04T03:02:01.5Z",
        "2026-05-04T03:02:01.123456789-23:59",
        "2026-05-04T03:02:01+0200",
        "2024-02-29T00:00:00Z",
        "2000-02-29T23:59:59+00:00",
    ],
)
def test_a_real_time_with_zone_is_a_timestamp(text):
    assert Event(v2(timestamp=text)).body["payload"]["timestamp"] == text
    assert not validation.v2_errors(v2(timestamp=text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-05-04",
        "2026-05-04T03:02Z",
        "2026-05-04T03:02:01",
        "2026-05-04 03:02:01Z",
        "2026-05-04T03:02:01.Z",
        "2026-05-04T03:02:01.1234567890Z",
        "2026-05-04T03:02:01+2",
        "2026-05-04T03:02:01+24:00",
        "2026-05-04T03:02:01+01:60",
        "2026-13-04T03:02:01Z",
        "2026-00-04T03:02:01Z",
        "2026-04-31T03:02:01Z",
        "2026-02-29T03:02:01Z",
        "1900-02-29T03:02:01Z",
        "0000-01-01T03:02:01Z",
        "2026-05-04T24:02:01Z",
        "2026-05-04T03:60:01Z",
        "2026-05-04T03:02:60Z",
        "\u0662026-05-04T03:02:01Z",
        1700000000,
    ],
)
def test_anything_else_is_no_timestamp(text):
    with pytest.raises(EventError, match="is not a time with zone"):
        Event(v2(timestamp=text))


TEXT = st.text(max_size=1100)
SOMETIMES = st.one_of(st.none(), TEXT, st.integers(), st.lists(TEXT, max_size=2))
ERRORS = {
    "v1": validation.v1_errors,
    "v2": validation.v2_errors,
    "change": validation.change_errors,
}


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "service_key": st.just(KEY),
            "routing_key": st.sampled_from([KEY, "R" + KEY[1:]]),
            "event_type": st.sampled_from(["trigger", "resolve", "boo", 1]),
            "event_action": st.sampled_from(["trigger", "acknowledge", "", None]),
            "description": SOMETIMES,
            "incident_key": SOMETIMES,
            "dedup_key": SOMETIMES,
            "client": SOMETIMES,
            "": st.sampled_from(["trigger", 1, [1]]),
            "details": st.one_of(st.dictionaries(TEXT, TEXT, max_size=2), SOMETIMES),
            "links": st.one_of(st.lists(st.dictionaries(st.just("href"), TEXT)), SOMETIMES),
            "images": st.one_of(st.lists(st.dictionaries(st.just("src"), TEXT)), SOMETIMES),
            "payload": st.one_of(
                SOMETIMES,
                st.fixed_dictionaries(
                    {"summary": SOMETIMES},
                    optional={
                        "source": SOMETIMES,
                        "severity": st.sampled_from(["error", "info", "bad", None]),
                        "timestamp": st.one_of(SOMETIMES, st.datetimes().map(str)),
                        "custom_details": st.one_of(st.dictionaries(TEXT, TEXT), SOMETIMES),
                    },
                ),
            ),
        },
    )
)
def test_what_is_accepted_here_pagerduty_accepts(body):
    try:
        event = Event(body)
    except EventError:
        return
    assert ERRORS[kind_of(event.body)](event.body) == []
