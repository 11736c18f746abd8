"""What a submit imports is a decision, as outages fork hundreds of them: promise 9."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Enough of the standard library: os with what it is made of, and C modules.
STANDARD = {
    *("os", "stat", "_stat", "posixpath", "genericpath", "os.path", "_collections_abc"),
    *("__future__", "_json", "errno", "time"),
}
SHARED = {
    *("pdagent", "pdagent.event", "pdagent.fieldrules", "pdagent.jsontext", "pdagent.settings"),
    *("pdagent.outqueue", "pdagent.outqueue.inbox", "pdagent.outqueue.layout"),
    *("pdagent.outqueue.ledger", "pdagent.submission"),
    *("pdagent.commands", "pdagent.commands.console", "pdagent.commands.options"),
}
KEY = "0123456789abcdef0123456789abcdef"
NAGIOS = ["-t", "PROBLEM", "-n", "host", "-f", "HOSTNAME=a", "-f", "HOSTSTATE=b"]
ZABBIX = "name:a\nid:1\nstatus:b\nhostname:c"
COMMANDS = {
    "pd-send v1": (
        ["pd-send", "-k", KEY, "-t", "trigger", "-d", "x", "-f", "a=b"],
        {"pdagent.commands.send", "pdagent.commands.keyfile"},
    ),
    "pd-send v2": (
        ["pd-send", "-k", KEY, "-t", "trigger", "-d", "x", "--timestamp", "2026-05-04T03:02:01Z"],
        {"pdagent.commands.send", "pdagent.commands.keyfile"},
    ),
    "pd-nagios": (
        ["pd-nagios", "-k", KEY, *NAGIOS],
        {
            *("pdagent.commands.nagios", "pdagent.commands.keyfile"),
            *("pdagent.sources", "pdagent.sources.nagios", "pdagent.sources.keys"),
        },
    ),
    "pd-zabbix": (
        ["pd-zabbix", KEY, "trigger", ZABBIX],
        {
            "pdagent.commands.zabbix",
            *("pdagent.sources", "pdagent.sources.zabbix", "pdagent.sources.keys"),
        },
    ),
}


def imported(*words, **options):
    done = subprocess.run(
        [sys.executable, "-IS", "-X", "importtime", *words],
        capture_output=True,
        text=True,
        check=True,
        **options,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines[1:]}


@pytest.mark.parametrize(("argv", "own"), COMMANDS.values(), ids=COMMANDS.keys())
def test_a_submit_imports_these_modules_and_no_others(config, argv, own):
    name, *words = argv

    found = imported(f"agent/bin/{name}", *words, env={"PDAGENT_CONFIG": config})

    at_start = imported("-c", "pass")
    assert {module for module in found if module.startswith("pdagent")} == SHARED | own
    assert found - at_start - SHARED - own <= STANDARD


def test_sensu_needs_json_and_no_more(config):
    done = imported("-c", "import json")
    at_start = imported("-c", "pass")

    found = imported(
        *("agent/bin/pd-sensu", "-k", KEY),
        env={"PDAGENT_CONFIG": config},
        input='{"action": "create", "id": "a", "check": {"output": "b"}}',
    )

    standard = {module for module in found if not module.startswith("pdagent")}
    assert standard - at_start - done <= STANDARD
