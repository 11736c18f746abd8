"""Breakages on purpose fit the files they edit, and what noticed them is read from the log."""

from __future__ import annotations

import pytest

from lab import breakages, scenarios
from lab.console import ROOT, LabError

CONVERGE = """\
INFO     [proxy > converge] Executing
TASK [pdagent.agent.pdagent : Verify | Judge] **********************************
fatal: [debian12-sysv]: FAILED! => {"changed": false}
TASK [Gate | Stop the rollout] *************************************************
fatal: [debian12-sysv]: FAILED! => {"changed": false}
ERROR    [proxy > converge] Executed: Failed
"""
VERIFY = """\
fatal: [debian12-sysv]: FAILED! => {"changed": false}
INFO     [default > verify] Executing
FAILED molecule/shared/tests/test_host.py::test_runs[podman://pdagent-default-debian12-systemd]
FAILED molecule/shared/tests/test_host.py::test_runs[podman://pdagent-default-debian13-systemd]
ERROR    [default > verify] Executed: Failed
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
        breakages.Breakage("twice", "default", "file", "one", "two").apply(tmp_path)


def test_failing_task_is_named_and_not_the_gate_that_repeats_it():
    assert breakages.failure(CONVERGE) == ("converge", "Verify | Judge")


def test_failing_test_is_named_once_for_all_hosts():
    assert breakages.failure(VERIFY) == ("verify", "test_runs")
