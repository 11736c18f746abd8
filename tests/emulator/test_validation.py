"""What is refused, and in which words."""

import pytest

from tests.emulator.validation import change_errors, v1_errors, v2_errors

KEY = "0123456789abcdef0123456789abcdef"
V1 = {"service_key": KEY, "event_type": "trigger", "description": "disk full"}
V2 = {
    "routing_key": KEY,
    "event_action": "trigger",
    "payload": {"summary": "disk full", "source": "db7", "severity": "error"},
}
CHANGE = {"routing_key": KEY, "payload": {"summary": "deployed 4.2"}}
SEVERITY_TEXT = (
    "'payload.severity' is invalid (must be one of the following: "
    "'critical', 'warning', 'error' or 'info')"
)


def with_payload(event, **fields):
    return {**event, "payload": {**event["payload"], **fields}}


@pytest.mark.parametrize(
    ("check", "event"),
    [
        (v1_errors, V1),
        (v1_errors, {"service_key": KEY, "event_type": "resolve", "incident_key": "a"}),
        (v1_errors, {**V1, "description": "x" * 1024, "incident_key": "x" * 255}),
        (v1_errors, {**V1, "client": "", "client_url": "", "details": {}}),
        (v1_errors, {**V1, "contexts": [{"type": "link", "href": "http://a"}]}),
        (v1_errors, {**V1, "contexts": [{"type": "image", "src": "https://a"}]}),
        (v2_errors, V2),
        (v2_errors, {"routing_key": KEY, "event_action": "acknowledge", "dedup_key": "a"}),
        (v2_errors, with_payload(V2, timestamp="2015-07-17T08:42:58.315+0000")),
        (v2_errors, with_payload(V2, timestamp="2026-02-28T23:59:59Z")),
        (v2_errors, with_payload(V2, summary="é" * 1024, custom_details={"a": [1]})),
        (v2_errors, {**V2, "links": [{"href": "http://a"}], "images": [{"src": "https://a"}]}),
        (change_errors, CHANGE),
        (change_errors, {**CHANGE, "links": [{"href": "https://a", "text": "b"}]}),
        (change_errors, with_payload(CHANGE, severity="not for changes", group=1)),
    ],
)
def test_documented_events_are_accepted(check, event):
    assert check(event) == []


@pytest.mark.parametrize(
    ("check", "event", "error"),
    [
        (v1_errors, {**V1, "service_key": " "}, "Service key is missing or blank"),
        (v1_errors, {**V1, "service_key": "short"},
         "Service key is the wrong length (should be 32 characters)"),
        (v1_errors, {**V1, "event_type": "page"},
         "Event type is invalid (must be trigger, acknowledge or resolve)"),
        (v1_errors, {**V1, "event_type": None}, "Event type is missing or blank"),
        (v1_errors, {**V1, "description": ""}, "Description is missing or blank"),
        (v1_errors, {**V1, "description": "x" * 1025},
         "Description is too long (maximum is 1024 characters)"),
        (v1_errors, {**V1, "event_type": "resolve"}, "Incident key is missing or blank"),
        (v1_errors, {**V1, "incident_key": "x" * 256},
         "Incident key is too long (maximum is 255 characters)"),
        (v1_errors, {**V1, "incident_key": 5}, "Incident key must be a string"),
        (v1_errors, {**V1, "details": "text"}, "Details must be an object"),
        (v1_errors, {**V1, "contexts": [{"type": "link"}]}, "Contexts of type link need a href"),
        (v1_errors, {**V1, "contexts": [{"type": "image", "src": "http://a"}]},
         "Contexts of type image need a src served via HTTPS"),
        (v1_errors, {**V1, "contexts": [{"type": "sound"}]}, "Contexts are of type link or image"),
        (v1_errors, {**V1, "contexts": "a"}, "Contexts must be an array of objects"),
        (v2_errors, {**V2, "routing_key": None}, "'routing_key' is missing or blank"),
        (v2_errors, {**V2, "routing_key": "short"},
         "Length of 'routing_key' is incorrect (should be 32 characters)"),
        (v2_errors, {**V2, "routing_key": "-" * 32},
         "'routing_key' cannot contain non-alphanumeric characters."),
        (v2_errors, {**V2, "event_action": "close"},
         "'event_action' is invalid (must be one of the following: "
         "'trigger', 'acknowledge' or 'resolve')"),
        (v2_errors, {**V2, "event_action": ""}, "'event_action' is missing or blank"),
        (v2_errors, {"routing_key": KEY, "event_action": "resolve"},
         "'dedup_key' is missing or blank"),
        (v2_errors, {**V2, "dedup_key": "x" * 256},
         "'dedup_key' is too long (maximum is 255 characters)"),
        (v2_errors, with_payload(V2, summary=""), "'payload.summary' is missing or blank"),
        (v2_errors, with_payload(V2, source=None), "'payload.source' is missing or blank"),
        (v2_errors, with_payload(V2, severity=None), "'payload.severity' is missing or blank"),
        (v2_errors, with_payload(V2, severity="none"), SEVERITY_TEXT),
        (v2_errors, with_payload(V2, summary="x" * 1025),
         "'summary' is too long (maiximum is 1024 characters)"),
        (v2_errors, with_payload(V2, timestamp="yesterday"),
         "'payload.timestamp' is not a valid ISO 8601 date"),
        (v2_errors, with_payload(V2, timestamp="2026-02-30T00:00:00Z"),
         "'payload.timestamp' is not a valid ISO 8601 date"),
        (v2_errors, with_payload(V2, group=7), "'payload.group' must be a string"),
        (v2_errors, with_payload(V2, custom_details="text"),
         "'payload.custom_details' must be an object"),
        (v2_errors, {**V2, "payload": "text"}, "'payload' must be an object"),
        (v2_errors, {**V2, "links": [{}]}, "'links' need a 'href' each"),
        (v2_errors, {**V2, "images": [{"src": "http://a"}]},
         "'images' need a 'src' served via HTTPS each"),
        (change_errors, {**CHANGE, "payload": None}, "'payload.summary' is missing or blank"),
        (change_errors, {**CHANGE, "routing_key": "R" + KEY[1:]},
         "'routing_key' of a ruleset cannot receive change events"),
    ],
)  # fmt: skip
def test_refusal_says_which_rule_is_broken(check, event, error):
    assert check(event) == [error]


def test_all_broken_rules_are_named_at_once():
    assert v2_errors({}) == [
        "'routing_key' is missing or blank",
        "'event_action' is missing or blank",
    ]
    assert len(v2_errors({"routing_key": "-", "event_action": "trigger"})) == 5
