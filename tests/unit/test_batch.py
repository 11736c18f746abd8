"""pd-send --batch: one JSON object a line, each queued or refused on its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import sys

import pytest

from pdagent.commands import batch, send

KEY = "0123456789abcdef0123456789abcdef"
V1 = {"service_key": KEY, "event_type": "trigger", "description": "d", "incident_key": "k1"}
V2 = {
    "routing_key": KEY,
    "event_action": "trigger",
    "dedup_key": "k2",
    "payload": {"summary": "s", "source": "h", "severity": "info"},
}
CHANGE = {"routing_key": KEY, "payload": {"summary": "deployed"}}


@pytest.fixture
def run(run_main, monkeypatch):
    """Run pd-send --batch over some lines."""

    def run(lines, *argv):
        raw = b"".join(
            (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n"
            for line in lines
        )
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        return run_main(send.main, "--batch", *argv)

    return run


def test_all_kinds_are_queued_and_reported_line_by_line(run, bodies):
    code, out, err = run([V1, b"", V2, CHANGE])

    assert (code, err) == (0, "")
    assert out == (
        "Event processed. Incident Key: k1\nEvent processed. Incident Key: k2\nEvent processed.\n"
    )
    first, *others = bodies()
    assert first.pop("agent")["queued_by"] == "pd-send"
    assert [first, *others] == [{**V1}, V2, CHANGE]


BAD = {
    "not json": (b"{oops", "not a JSON object: Expecting property name"),
    "a list": (b"[]", "event is not a JSON object"),
    "a field": ({**V1, "event_type": "boo"}, "event_type is 'boo', allowed: trigger"),
    "no key": ({"event_type": "trigger"}, "event has neither service_key (v1) nor routing_key"),
    "nested": (b"[" * 100_000, "not a JSON object: "),
    "too big": ({**V1, "details": {"a": "x" * 600_000}}, "body is too big: 600"),
    "too long": (b"x" * (batch.MAX_LINE + 1), f"line is too long: the limit is {batch.MAX_LINE}"),
    "far too long": (b"x" * (3 * batch.MAX_LINE), "line is too long: the limit is"),
}


@pytest.mark.parametrize(("line", "message"), BAD.values(), ids=BAD.keys())
def test_a_bad_line_is_reported_with_its_number_and_stops_no_other(run, bodies, line, message):
    code, out, err = run([V1, line, V2])

    assert (code, len(out.splitlines())) == (1, 2)
    assert err.startswith(f"pd-send: line 2: {message}")
    assert len(err.splitlines()) == 1
    assert [body.get("dedup_key") for body in bodies()] == [None, "k2"]


def test_json_reports_every_line_on_standard_output(run):
    code, out, err = run([V1, b"{", V2], "--json")

    records = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (1, "")
    assert [(one["line"], one["status"]) for one in records] == [
        (1, "queued"),
        (2, "failed"),
        (3, "queued"),
    ]
    assert records[0]["incident_key"] == "k1"
    assert records[1]["message"].startswith("not a JSON object")


def test_quiet_reports_failures_alone(run):
    code, out, err = run([V1, b"{"], "--quiet", "--json")

    assert (code, out) == (1, "")
    assert err.startswith("pd-send: line 2: ")


def test_a_key_is_filled_in_where_a_line_has_none(run, bodies):
    other = "f" * 32
    lines = [
        {name: value for name, value in V1.items() if name != "service_key"},
        {name: value for name, value in V2.items() if name != "routing_key"},
        {"payload": {"summary": "x"}},
        {**V2, "routing_key": other},
    ]

    assert run(lines, "-k", KEY)[0] == 0
    assert [body.get("service_key") or body["routing_key"] for body in bodies()] == [
        KEY,
        KEY,
        KEY,
        other,
    ]


def test_a_bad_default_key_is_a_usage_error(run, bodies):
    code, out, err = run([V1], "--key-file", "-")

    assert (code, out) == (2, "")
    assert "--key-file: standard input is taken by the event itself" in err
    assert bodies() == []


def test_triggers_without_key_get_one(run, bodies):
    line = {name: value for name, value in V2.items() if name != "dedup_key"}

    _, out, _ = run([line, line])

    keys = [body["dedup_key"] for body in bodies()]
    assert len(set(keys)) == 2
    assert out == "".join(f"Event processed. Incident Key: {key}\n" for key in keys)


def test_the_last_line_needs_no_line_end_and_latin_1_does_no_harm(run, bodies, monkeypatch):
    raw = json.dumps({**V2, "client": "caf@"}).encode().replace(b"@", b"\xe9")
    assert list(batch.lines(io.BytesIO(raw))) == [raw]

    assert run([raw])[0] == 0
    assert bodies()[0]["client"] == "café"


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(run, bodies):
    raw = json.dumps(V2).encode()

    assert run([b"\xef\xbb\xbf" + raw + b"\r", b"\r", raw + b"\r"])[0] == 0
    assert len(bodies()) == 2


def test_a_full_queue_exits_3(run, config):
    with open(config, "a") as file:
        file.write("max_queue_mb = 1\n")
    big = {**V1, "details": {"a": "x" * 500_000}}

    code, out, err = run([big, big, big, b"{", V1])

    assert code == 3
    assert len(out.splitlines()) == 3
    assert [line.split(":")[1] for line in err.splitlines()] == [" line 3", " line 4"]


def test_dry_run_prints_every_request(run, bodies):
    code, out, _ = run([V1, V2], "--dry-run")

    lines = out.splitlines()
    assert (code, bodies()) == (0, [])
    assert [line.split("com")[-1] for line in lines[::2]] == [
        "/generic/2010-04-15/create_event.json",
        "/v2/enqueue",
    ]
    assert json.loads(lines[3]) == V2


def test_closed_standard_input_is_an_empty_batch(run_main, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)

    assert run_main(send.main, "--batch") == (0, "", "")


def everything(fd):
    """Read a pseudo-terminal until its other end is closed, which reads as an error."""
    found = b""
    with contextlib.suppress(OSError):
        while piece := os.read(fd, 10_000):
            found += piece
    os.close(fd)
    return found.decode()


def test_a_terminal_shows_progress(run, bodies, monkeypatch):
    main_end, terminal = pty.openpty()
    with open(terminal, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        code, _, _ = run([V2] * 120 + [b"{"])

    shown = everything(main_end)
    assert code == 1
    assert "\r50 queued, 0 failed\r" in shown
    assert "\r100 queued, 0 failed\r" in shown
    assert "pd-send: line 121: not a JSON object" in shown
    assert shown.endswith("\r120 queued, 1 failed\r\n")
    assert len(bodies()) == 120


def test_an_interrupt_tells_how_far_it_came(run, bodies, monkeypatch):
    store = batch.submission.store

    def interrupted(event, settings):
        if event.dedup_key == "k2":
            raise KeyboardInterrupt
        return store(event, settings)

    monkeypatch.setattr(batch.submission, "store", interrupted)

    code, _, err = run([V1, V2, V1])

    assert (code, err) == (130, "pd-send: interrupted: 1 queued, 0 failed\n")
    assert len(bodies()) == 1
