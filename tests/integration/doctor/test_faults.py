"""For every single fault: one failure, the right one, with the command that mends it."""

from __future__ import annotations

import pytest

from tests.integration.doctor import host_faults, network_faults
from tests.integration.doctor.lab import ROOT

# The first test also builds the package and boots a host.
pytestmark = pytest.mark.timeout(600)

DOCS = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8").splitlines()
NETWORK = (
    *network_faults.NETWORK,
    *network_faults.TLS,
    *network_faults.PROXIES,
    *network_faults.API,
)
SYSTEMD = (*host_faults.CLOCK, *host_faults.QUEUE, *host_faults.SERVICE)


def failures(report):
    return {one["id"]: one for one in report["checks"] if one["status"] == "fail"}


def one_fault_is_one_failure_and_its_command_mends_it(fault, lab, host, fault_table):
    fault.inflict(lab, host)
    found = failures(host.doctor())
    assert list(found) == [fault.check], found
    failure = found[fault.check]
    assert fault.seen in failure["summary"]
    assert fault.command in failure["command"]
    if fault.world:
        fault.world(lab, host)
    else:
        host.follow(failure["command"].replace(*fault.replace), fault.edit)
    assert failures(host.doctor()) == {}
    row = table_row(fault.name, failure)
    fault_table.append(row)
    assert row in DOCS, "docs/doctor.md shows another row: see build/doctor-faults.md"


def table_row(fault, failure):
    command = failure["command"].replace("|", "\\|")
    return f"| {fault} | `{failure['id']}` | `{command}` |"


def name(fault):
    return fault.name.replace("/", " ")


@pytest.mark.parametrize("fault", NETWORK, ids=name)
def test_a_fault_of_the_network_is_one_failure(fault, lab, systemd_host, fault_table):
    one_fault_is_one_failure_and_its_command_mends_it(fault, lab, systemd_host, fault_table)


@pytest.mark.parametrize("fault", SYSTEMD, ids=name)
def test_a_fault_of_the_host_is_one_failure(fault, lab, systemd_host, fault_table):
    one_fault_is_one_failure_and_its_command_mends_it(fault, lab, systemd_host, fault_table)


@pytest.mark.parametrize("fault", host_faults.SYSV, ids=name)
def test_a_fault_under_sysvinit_is_one_failure(fault, lab, sysv_host, fault_table):
    one_fault_is_one_failure_and_its_command_mends_it(fault, lab, sysv_host, fault_table)
