"""The canary: whatever is wrong with it, the hosts after it are not touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.role.playbook import Run
from tests.role.testbed import Testbed

CANARY, NEXT = "debian12-systemd", "debian12-sysv"
NOWHERE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}


@pytest.fixture
def roll_out(testbed: Testbed, tmp_path: Path):
    """Roll out in batches of one, with these variables for the canary alone."""

    def run(canary: str = CANARY, tolerance: int = 0, **variables: object) -> Run:
        extra = tmp_path / "canary.json"
        extra.write_text(json.dumps({"pdagent": {"hosts": {canary: variables}}}))
        return testbed.rollout(
            canary, NEXT,
            inventories=(extra, *testbed.inventories),
            pdagent_batches="1,100%", pdagent_tolerance=tolerance,
        )  # fmt: skip

    return run


def test_unreachable_canary_stops_the_rollout(roll_out):
    run = roll_out("a-lost-host", **NOWHERE)
    assert run.code != 0
    assert NEXT not in run.changed
    assert "a-lost-host lost - unreachable" in run.words
    assert "Hosts tried: 1 (not well: 1); not touched: 1." in run.words
    assert "Nothing was done on the other 1." in run.words
    assert f"{NEXT} " not in run.words.split("HOST RESULT")[1]


def test_canary_without_python_stops_the_rollout(roll_out):
    run = roll_out(ansible_python_interpreter="/usr/bin/python4")
    assert run.code != 0
    assert NEXT not in run.changed
    assert f"{CANARY} failed" in run.words
    assert "'/usr/bin/python4' was not found" in run.words


def test_failing_canary_stops_the_rollout(roll_out, testbed):
    run = roll_out(pdagent_config={"send_interval_secs": 0})
    assert run.code != 0
    assert NEXT not in run.changed
    assert "failed to validate: Bad send_interval_secs in config file:" in run.words
    assert "send_interval_secs = 0: allowed is a whole number from 1 to 3600" in run.words
    assert "send_interval_secs = 0" not in testbed.shell(CANARY, "cat /etc/pdagent.conf")


def test_unhealthy_canary_stops_the_rollout_and_says_what_to_do(roll_out):
    run = roll_out(pdagent_proxy={"https_proxy": "http://127.0.0.1:9"})
    assert run.code != 0
    assert NEXT not in run.changed
    assert f"{CANARY}: pd-doctor found proxy.tcp" in run.words
    for label in ("seen:", "expected:", "fix:", "command:"):
        assert label in run.words


def test_well_canary_lets_the_rest_follow(roll_out):
    run = roll_out()
    assert run.code == 0, run.output
    assert f"{CANARY} well" in run.words
    assert f"{NEXT} well" in run.words


def test_tolerated_canary_lets_the_rest_follow_and_is_named_last(roll_out):
    run = roll_out("a-lost-host", tolerance=100, **NOWHERE)
    assert run.code == 0, run.output
    table = run.words.split("HOST RESULT")[1]
    assert table.index(f"{NEXT} well") < table.index("a-lost-host lost - unreachable")
