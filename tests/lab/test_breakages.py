"""Breakages on purpose fit the files they edit, and what noticed them is read from the log."""

from __future__ import annotations

import pytest

from lab import breakages, scenarios
from lab.console import ROOT, LabError

CONVERGE = """\
INFO     [proxy > converge] Executing
TASK [Install | Try a file] ****************************************************
[ERROR]: Task failed: Module failed: it was rescued. Nobody minds.
fatal: [debian12-sysv]: FAILED! => {"changed": false}
TASK [pdagent.agent.pdagent : Verify | Judge] **********************************
[ERROR]: Task failed: Action failed: debian12-sysv: pd-doctor found net.dns. What it saw is above.
fatal: [debian12-sysv]: FAILED! => {"changed": false}
TASK [Gate | Stop the rollout] *************************************************
[ERROR]: Task failed: Action failed: The rollout stops here: 1 of 1 hosts tried is not well.
fatal: [debian12-sysv]: FAILED! => {"changed": false}
PLAY RECAP *********************************************************************
ERROR    [proxy > converge] Executed: Failed
INFO     [proxy > destroy] Executing
"""
IDEMPOTENCE = """\
INFO     [sysv > idempotence] Executing
TASK [pdagent.agent.pdagent : Run | Service] ***********************************
changed: [debian12-sysv]
PLAY RECAP *********************************************************************
TASKS RECAP ********************************************************************
CRITICAL Idempotence test failed because of the following tasks:
*  => pdagent.agent.pdagent : Run | Service
*  => pdagent.agent.pdagent : Run | Service
ERROR    [sysv > idempotence] Executed: Failed
"""
VERIFY = """\
[ERROR]: Task failed: Action failed: debian12-sysv: rescued
INFO     [default > verify] Executing
FAILED molecule/shared/tests/test_host.py::test_runs[podman://pdagent-default-debian12-systemd]
FAILED molecule/shared/tests/test_host.py::test_runs[podman://pdagent-default-debian13-systemd]
ERROR molecule/outage/tests/test_outage.py::test_arrives[podman://pdagent-outage-rpm] - Assert
ERROR    [default > verify] Executed: Failed
"""
PREPARE = """\
INFO     [rpm > prepare] Executing
Traceback (most recent call last):
OSError: disk full

ERROR    [rpm > prepare] Executed: Failed
"""


@pytest.mark.parametrize("breakage", breakages.BREAKAGES, ids=lambda breakage: breakage.name)
def test_breakage_fits_the_file_that_it_edits(breakage, tmp_path):
    file = tmp_path / breakage.path
    file.parent.mkdir(parents=True)
    before = (ROOT / breakage.path).read_text()
    file.write_text(before)
    breakage.apply(tmp_path)
    assert file.read_text() != before
    assert breakage.scenario in scenarios.names()


def test_edit_that_no_longer_fits_is_refused(tmp_path):
    (tmp_path / "file").write_text("one one")
    with pytest.raises(LabError, match="file has changed"):
        breakages.Breakage("twice", "default", "", "file", "one", "two").apply(tmp_path)


@pytest.mark.parametrize(
    ("log", "step", "place"),
    [
        (CONVERGE, "converge", "Verify | Judge: pd-doctor found net.dns"),
        (IDEMPOTENCE, "idempotence", "Run | Service"),
        (VERIFY, "verify", "test_runs, test_arrives"),
        (PREPARE, "prepare", "OSError: disk full"),
        ("Configuration is wrong\n", "", "Configuration is wrong"),
        ("", "", "nothing is in the log"),
    ],
    ids=[
        "the task that failed, and not the gate that repeats it",
        "the task that changed something once more",
        "tests, once for all hosts",
        "the last line of a step that says nothing else",
        "the last line, when no step was reached",
        "no log",
    ],
)
def test_what_failed_is_read_from_the_log(log, step, place):
    assert breakages.failure(log) == (step, place)
