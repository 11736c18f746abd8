"""The sources are pure functions: any words give an event that PagerDuty takes, or an error."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdagent.event import Event, EventError
from pdagent.sources import keys, nagios, sensu, zabbix
from tests.emulator.validation import v1_errors

KEY = "0123456789abcdef0123456789abcdef"
TEXT = st.text(max_size=300)


def check(make):
    try:
        event = make()
    except EventError:
        return
    assert isinstance(event, Event)
    assert v1_errors(json.loads(event.encode())) == []


@given(
    st.sampled_from(sorted(nagios.EVENT_TYPES)),
    st.sampled_from(sorted(nagios.REQUIRED)),
    st.dictionaries(
        st.sampled_from(["HOSTNAME", "HOSTSTATE", "SERVICEDESC", "SERVICESTATE", "X"]), TEXT
    ),
    st.none() | TEXT,
)
def test_nagios(notification, subject, fields, incident_key):
    check(lambda: nagios.event(KEY, notification, subject, fields, incident_key))


@given(
    st.sampled_from(["trigger", "acknowledge", "resolve", "x"]),
    st.lists(st.sampled_from(["name", "id", "status", "hostname", "url", "NOTE", ""]) | TEXT),
    st.lists(TEXT, min_size=12),
)
def test_zabbix(message_type, names, values):
    body = "\n".join(f"{name}:{value}" for name, value in zip(names, values))

    check(lambda: zabbix.event(KEY, message_type, body))


JSON = st.recursive(st.none() | st.booleans() | st.integers() | TEXT, st.lists, max_leaves=3)
PART = st.dictionaries(st.sampled_from(["name", "output", "status", "metadata"]), JSON)


@given(
    st.dictionaries(
        st.sampled_from(["client", "entity", "check", "action", "id"]), PART | JSON, max_size=5
    )
)
def test_sensu(details):
    check(lambda: sensu.event(KEY, sensu.parse(json.dumps(details))))


@given(TEXT, TEXT)
def test_long_keys_fit_and_stay_apart(one, other):
    one, other = "k" * 256 + one, "k" * 256 + other

    assert len(keys.fit(one)) == 255
    assert (keys.fit(one) == keys.fit(other)) == (one == other)


@pytest.mark.parametrize("length", [0, 1, 254, 255])
def test_keys_that_fit_are_left_alone(length):
    assert keys.fit("ü" * length) == "ü" * length


def test_keys_that_are_not_unicode_fit_too():
    assert len(keys.fit("\ud800" * 256)) == 255
