"""What people and programs are shown: aligned, 80 columns, plain off a terminal, valid JSON."""

import json
from pathlib import Path

import jsonschema
import pytest

from pdagent.doctor.catalogue import all_checks
from pdagent.doctor.check import FAIL, OK, SKIP, WARN, Finding, Result, no_rights
from pdagent.doctor.report import Text, as_json

SCHEMA = json.loads(Path(__file__, "../../../docs/doctor-schema.json").resolve().read_text())
FACTS = {"host": "mon1", "config": "/etc/pdagent.conf", "environment": "process 812"}
LONG = "the resolver says nothing at all about this very long name of a host " * 3
RESULTS = [
    Result("service.unit", "service", Finding(OK, "installed", detail={"path": "/lib"}), 0.1),
    Result("net.dns", "network", Finding(FAIL, LONG, "an address", LONG, "sudo mend " * 20), 2.0),
    Result("net.tcp", "network", Finding(SKIP, "not asked", cause="net.dns"), 0.0),
    Result("queue.err", "queue", Finding(WARN, "2 rejected", "none", "retry", "pd-queue"), 0.0),
    Result("proxy.dns", "proxy", Finding(SKIP, "no proxy"), 0.0),
    Result("service.env", "service", no_rights("hidden"), 0.0),
]


def page(*, terminal=False, verbose=False):
    return Text(all_checks(), terminal=terminal, verbose=verbose).render(RESULTS, "pd-doctor", 2.1)


def test_nothing_but_a_command_is_wider_than_80_columns():
    wide = [line for line in page(verbose=True).splitlines() if len(line) > 80]
    assert [line.split()[0] for line in wide] == ["run"]


def test_off_a_terminal_there_is_no_colour_and_no_symbol():
    assert page().isascii()
    assert "\033" not in page()


def test_on_a_terminal_every_status_has_its_symbol_and_its_word():
    shown = page(terminal=True)
    for mark in ("✓ OK", "! WARN", "✗ FAIL", "- SKIP"):
        assert mark in shown


def test_the_text_is_the_same_with_and_without_colour():
    import re

    bare = re.sub(r"\033\[[0-9;]*m", "", page(terminal=True))
    for symbol in "✓!✗-":
        bare = bare.replace(f"{symbol} OK", "  OK").replace(f"{symbol} WARN", "  WARN")
        bare = bare.replace(f"{symbol} FAIL", "  FAIL").replace(f"{symbol} SKIP", "  SKIP")
    assert bare == page()


def test_a_failure_shows_expected_what_to_do_the_command_and_the_chapter():
    shown = page()
    for label, text in (
        ("expected", "an address"),
        ("do", "the resolver says"),
        ("run", "sudo mend"),
        ("guide", "Network Troubleshooting: DNS"),
    ):
        assert any(
            line.split()[0] == label and text in line for line in shown.splitlines() if line.strip()
        ), label


def test_a_skip_names_the_check_to_see():
    assert "not asked: see net.dns" in page()


def test_what_does_not_arise_is_left_out_unless_all_is_asked_for():
    assert "proxy.dns" not in page()
    assert "proxy.dns" in page(verbose=True)


def test_what_needs_sudo_is_shown():
    assert "run with sudo" in page()


def test_the_json_is_valid_against_its_schema():
    jsonschema.validate(json.loads(as_json(RESULTS, all_checks(), FACTS)), SCHEMA)


def test_the_schema_wants_a_command_with_every_failure():
    report = json.loads(as_json(RESULTS, all_checks(), FACTS))
    report["checks"][1]["command"] = ""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, SCHEMA)


def test_the_schema_knows_every_check_and_group():
    ids = SCHEMA["$defs"]["check"]["properties"]
    for check in all_checks():
        jsonschema.validate(check.id, ids["id"])
        jsonschema.validate(check.group, ids["group"])


def test_the_summary_counts_each_status():
    report = json.loads(as_json(RESULTS, all_checks(), FACTS))
    assert report["summary"] == {"ok": 1, "warn": 1, "fail": 1, "skip": 3}


WELL = Result("api.events", "api", Finding(OK, "refuses an empty event"), 0.3)


@pytest.mark.parametrize(
    ("results", "conclusion"),
    [
        ([WELL, RESULTS[0], RESULTS[4]], "Nothing stands between this host and PagerDuty."),
        ([WELL, RESULTS[3]], "Nothing failed; see what the warnings say."),
        ([WELL, RESULTS[5]], "Nothing failed; run it with sudo to see the rest."),
        ([RESULTS[0]], "Nothing failed of what was looked at."),
        ([WELL, RESULTS[1]], "Mend what failed first; what is skipped may follow from it."),
    ],
)
def test_the_conclusion_goes_no_further_than_what_was_seen(results, conclusion):
    shown = Text(all_checks(), terminal=False, verbose=False).render(results, "pd-doctor", 0.6)
    assert " ".join(shown.split()).endswith(f"in 0.6 s. {conclusion}")
