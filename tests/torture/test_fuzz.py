"""Whatever is fed in, the answer is a value or the documented error: promises 7 and 11."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from pdagent import settings, state, verdict
from pdagent.event import Event, EventError
from pdagent.outqueue import inbox, layout, ledger
from pdagent.outqueue.outbox import Outbox, StrangeEntryError
from pdagent.sources import nagios, sensu, zabbix
from tests.torture.lanes import key, trigger

TEXT = st.text(max_size=200)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
FIELDS = st.sampled_from(
    ["service_key", "routing_key", "event_type", "event_action", "incident_key", "dedup_key",
     "description", "payload", "summary", "details", "links", "images", "contexts", "client"]
)  # fmt: skip
NEARLY_EVENTS = st.dictionaries(
    FIELDS,
    JSON | st.sampled_from([key(1), "trigger", "resolve"]) | st.dictionaries(FIELDS, JSON),
    max_size=8,
)
FILE_NAMES = st.binary(min_size=1, max_size=200).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
)
CONFIG_LINES = st.lists(
    st.builds(
        "{}{}{}".format,
        st.sampled_from([one.name for one in settings.KEYS]) | TEXT,
        st.sampled_from([" = ", ":", "=", " "]),
        st.integers().map(str) | TEXT,
    )
    | st.sampled_from(["[Main]", "[Other]", "# comment", ";", ""])
)


@contextlib.contextmanager
def queue() -> Iterator[str]:
    """An empty queue for one example."""
    with tempfile.TemporaryDirectory(prefix="pdagent-fuzz-") as directory:
        layout.ensure(directory)
        yield os.path.join(directory, "outqueue")


def write(path: str | bytes, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


@given(st.binary(max_size=500) | CONFIG_LINES.map(lambda lines: "\n".join(lines).encode("utf-8")))
def test_any_configuration_loads_or_is_refused_by_name_of_its_file(content):
    with tempfile.TemporaryDirectory(prefix="pdagent-fuzz-") as directory:
        path = os.path.join(directory, "pdagent.conf")
        write(path, content)
        complaint = ""
        try:
            settings.load(path)
        except settings.SettingsError as error:
            complaint = str(error)
        assert not complaint or path in complaint or "[Main]" in complaint


@given(NEARLY_EVENTS | JSON)
def test_any_json_is_an_event_or_an_error_that_can_be_encoded_again(body):
    with contextlib.suppress(EventError):
        raw = Event(body).encode()
        assert Event(json.loads(raw)).encode() == raw


@given(st.binary(max_size=300) | NEARLY_EVENTS.map(lambda one: json.dumps(one).encode()))
def test_any_file_in_the_queue_is_read_or_set_aside(content):
    with queue() as where:
        name = layout.name(1, key(1))
        write(os.path.join(where, layout.PDQ, name), content)
        box = Outbox(where)
        assert box.scan().arrived == {key(1): [name]}
        try:
            _, body = box.read(name, key(1))
        except StrangeEntryError as error:
            target = box.reject(name, {"message": str(error)})
            assert os.path.exists(os.path.join(where, layout.ERR, target))
        else:
            assert body == content


@given(st.lists(FILE_NAMES, max_size=6, unique=True))
def test_any_file_name_in_the_queue_is_an_event_or_set_aside_without_losing_another(names):
    with queue() as where:
        good = inbox.submit(where, key(1), trigger(1, 1).encode(), limits=inbox.Limits(1 << 40, 0))
        for name in names:
            if os.fsdecode(name) != good:
                write(os.path.join(os.fsencode(where), b"pdq", name), b"x")
        box = Outbox(where)
        found = box.scan()
        for name in found.foreign:
            box.reject(name, {"message": "bad name"})
        for lane, events in found.arrived.items():
            for name in events:
                with contextlib.suppress(StrangeEntryError):
                    box.read(name, lane)
                    continue
                box.reject(name, {"message": "strange"})
        assert os.listdir(os.path.join(where, layout.PDQ)) == [good]
        moved = {os.path.basename(name) for name in os.listdir(os.path.join(where, layout.ERR))}
        assert len(moved) == 2 * len(set(map(os.fsdecode, names)) - {good})


@given(
    st.integers(100, 599),
    st.dictionaries(
        st.sampled_from(["Content-Type", "Retry-After", "ratelimit-reset", "Location"]),
        TEXT | st.integers().map(str) | st.floats().map(str),
    ),
    st.binary(max_size=300) | JSON.map(lambda one: json.dumps(one).encode()),
)
def test_any_answer_has_a_verdict_and_only_success_is_success(status, headers, body):
    answer = verdict.Answer(status, CaseInsensitiveDict(headers), body)
    found = verdict.judge(answer, 1_800_000_000.0)
    assert found.outcome in (
        verdict.ACCEPTED, verdict.REJECTED, verdict.THROTTLED, verdict.NOT_NOW
    )  # fmt: skip
    if found.outcome == verdict.ACCEPTED:
        assert status in (200, 202)
        assert json.loads(body)["status"] == "success"
    if found.outcome == verdict.REJECTED:
        assert 400 <= status < 500
    assert found.retry_after is None or 0 <= found.retry_after < float("inf")
    assert "\n" not in found.detail


@given(st.sampled_from(["trigger", "resolve", "problem"]) | TEXT, TEXT)
def test_any_zabbix_body_is_an_event_or_an_error(kind, message):
    with contextlib.suppress(EventError):
        zabbix.event(key(1), kind, message).encode()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["name", "id", "status", "hostname", "url", "NOTE", "incident_key"]),
            TEXT,
        )
    )
)
def test_any_zabbix_fields_are_an_event_or_an_error(fields):
    message = "\n".join(f"{name}:{value}" for name, value in fields)
    with contextlib.suppress(EventError):
        zabbix.event(key(1), "trigger", message).encode()


@given(
    st.dictionaries(
        st.sampled_from(["action", "client", "check", "id"]),
        JSON | st.dictionaries(st.sampled_from(["name", "output", "status"]), JSON),
    ).map(json.dumps)
    | TEXT
)
def test_any_sensu_event_is_an_event_or_an_error(text):
    with contextlib.suppress(EventError):
        sensu.event(key(1), sensu.parse(text)).encode()


@given(
    st.sampled_from(["PROBLEM", "RECOVERY", "ACKNOWLEDGEMENT"]),
    st.sampled_from(["service", "host"]),
    st.dictionaries(
        st.sampled_from(["HOSTNAME", "HOSTSTATE", "SERVICEDESC", "SERVICESTATE"]) | TEXT, TEXT
    ),
)
def test_any_nagios_macros_are_an_event_or_an_error(kind, subject, fields):
    with contextlib.suppress(EventError):
        nagios.event(key(1), kind, subject, fields).encode()


@given(st.binary(max_size=80))
def test_any_ledger_leaves_submitting_as_it_was(content):
    with queue() as where:
        write(os.path.join(where, layout.LEDGER), content)
        body = trigger(1, 1).encode()
        with contextlib.suppress(inbox.SubmitError):  # a neighbour may have it say "full"
            inbox.submit(where, key(1), body, limits=inbox.Limits(1 << 60, 0))
        ledger.correct(where, 0)
        name = inbox.submit(where, key(1), body, limits=inbox.Limits(1 << 60, 0))
        assert layout.parse(name) is not None


@pytest.mark.parametrize("name", ["backoff", "aggregates"])
@given(content=st.binary(max_size=200) | JSON.map(lambda one: json.dumps(one).encode()))
def test_any_remembered_state_is_taken_up_or_forgotten(name, content):
    with tempfile.TemporaryDirectory(prefix="pdagent-fuzz-") as directory:
        write(os.path.join(directory, name), content)
        memory = state.Memory(directory)
        backoff = memory.load_backoff(1_800_000_000.0)
        for counts in (backoff.attempts, backoff.doubts):
            assert all(isinstance(count, int) for count in counts.values())
        assert all(isinstance(wait, (int, float)) for wait in backoff.waits.values())
        assert isinstance(memory.load_aggregates(), dict)
