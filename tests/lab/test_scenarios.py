"""Slices cover every scenario, each in exactly one part."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from lab import scenarios, testbed
from lab.console import ROOT

PLAY = """\
INFO     [rpm > converge] Executing
TASK [Verify | Judge]
fatal: [rpm-sysv]: FAILED!
PLAY RECAP
rpm-sysv : failed=1
ERROR    [rpm > converge] Executed: Failed
"""
TESTS = """\
INFO     [rpm > verify] Executing
FAILED test_service.py::test_service_runs
1 failed, 33 passed
ERROR    [rpm > verify] Executed: Failed
"""
IDEMPOTENCE = """\
INFO     [rpm > idempotence] Executing
TASK [Summary]
PLAY RECAP
rpm-sysv : changed=1
CRITICAL Idempotence test failed because of the following tasks:
* => Run | Service
ERROR    [rpm > idempotence] Executed: Failed
"""
STEP = """\
INFO     [rpm > {step}] Executing
PLAY RECAP
INFO     [rpm > {step}] Executed: Successful
"""


@pytest.mark.parametrize("total", [1, 2, 3, 8, 20])
def test_slices_share_out_every_scenario_once(total):
    names = scenarios.names()
    parts = [scenarios.part(names, f"{number}/{total}") for number in range(1, total + 1)]
    assert sorted(name for part in parts for name in part) == sorted(names)


@pytest.mark.parametrize("fraction", ["0/2", "3/2", "1", "a/b", "1/2/3"])
def test_slice_that_makes_no_sense_is_refused(fraction):
    with pytest.raises(ValueError):  # noqa: PT011  (which of its forms does not matter)
        scenarios.part(scenarios.names(), fraction)


@pytest.mark.parametrize(
    ("step", "last_line"),
    [
        (PLAY, "fatal: [rpm-sysv]: FAILED!"),
        (TESTS, "1 failed, 33 passed"),
        (IDEMPOTENCE, "* => Run | Service"),
    ],
    ids=["play", "tests", "second run that changes something"],
)
def test_failed_step_is_shown_and_not_what_was_torn_down_after_it(step, last_line):
    shown = scenarios.failing_lines(STEP.format(step="create") + step + STEP.format(step="destroy"))
    assert shown[0] == step.splitlines()[0]
    assert shown[-1] == last_line


def test_log_without_steps_is_shown_to_its_end():
    assert scenarios.failing_lines("one\ntwo\n") == ["one", "two"]


def test_hosts_that_stay_are_entered_with_the_commands_that_are_shown():
    shown = scenarios.guide("rpm", ["pdagent-rpm-rpm-systemd", "pdagent-rpm-rpm-sysv"])
    assert "podman exec -it pdagent-rpm-rpm-systemd bash\n" in shown
    assert "podman exec -it pdagent-rpm-rpm-sysv bash\n" in shown
    assert "molecule converge -s rpm" in shown


@pytest.mark.parametrize(
    ("scenario", "platform"),
    [("rpm", "rocky"), ("rpm", "alma"), ("rpm", "fedora"), ("default", "ubuntu")],
)
def test_inventory_of_a_platform_names_hosts_and_their_images(scenario, platform):
    inventories = [ROOT / "molecule/shared/inventory", scenarios.inventory(scenario, platform)]
    words = [word for path in inventories for word in ("-i", path)]
    environment = {**os.environ, **testbed.ANSIBLE}
    listed = subprocess.check_output(
        [testbed.BIN / "ansible-inventory", *words, "--list"], text=True, env=environment
    )
    inventory = json.loads(listed)
    variables = inventory["_meta"]["hostvars"]
    assert inventory["services"]["hosts"] == ["emulator", "packages"]
    assert all("image_reference" in variables[host] for host in inventory["pdagent"]["hosts"])


def test_platform_that_a_scenario_has_no_inventory_for_is_refused():
    done = subprocess.run(
        [sys.executable, "-m", "lab.scenarios", "proxy"],
        cwd=ROOT, env={**os.environ, "PLATFORM": "rocky"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "PLATFORM=rocky: no inventory molecule/proxy/rocky.yml" in done.stderr
