"""Taking over a host from version 1.7 and pdagent-integrations."""

from __future__ import annotations

import json
import time

import pytest

from tests.packaging.machine import KEY, QUEUE, Machine, delivered

CURRENT, VERSION1 = "/packages/current", "/packages/version1"
EDITED = "# edited by hand\n[Main]\nsend_interval_secs = 5\ncleanup_interval_secs = 10800\n"
OLD_COMMANDS = "/usr/share/pdagent-integrations/bin"
UNIT_OVERRIDE = "/etc/systemd/system/pdagent.service"


@pytest.fixture
def machine(machine: Machine) -> Machine:
    """A host that runs 1.7.4 and pdagent-integrations 1.6.2."""
    names = ("pdagent", "pdagent-integrations")
    machine.run(machine.family.install.format(machine.files(VERSION1, names)))
    assert machine.exists("/usr/lib/python3/dist-packages/pdagent/__pycache__") or machine.exists(
        "/usr/lib/python3/site-packages/pdagent/__pycache__"
    )
    return machine


def queue_as_version1(machine: Machine, text: str) -> str:
    """Queue an event with the body and file name that 1.7 gave it; return the name.

    It is minutes old: clean-up goes by the name, and takes one of last week as soon as it
    was delivered.
    """
    name = f"{int((time.time() - 600) * 1e6)}_{KEY}.txt"
    body = {"service_key": KEY, "event_type": "trigger", "description": text, "details": {}}
    body["agent"] = {"agent_id": None, "queued_by": "pd-send", "queued_at": "2026-05-04T03:02:01Z"}
    path = f"{QUEUE}/pdq/{name}"
    machine.write(path, json.dumps(body, sort_keys=True, separators=(",", ":")))
    machine.run(f"chown nobody {path}")
    return name


def take_over(machine: Machine) -> str:
    """Install version 2 as the package manager does without a terminal."""
    packages = machine.files(CURRENT)
    return machine.run(f"{machine.family.install.format(packages)} 2>&1 </dev/null").stdout


def test_takeover_delivers_pending_events(machine: Machine) -> None:
    pagerduty = machine.start_pagerduty()
    name = queue_as_version1(machine, "pending since 1.7")
    take_over(machine)
    pagerduty.wait_for(1)
    machine.send("queued by version 2")
    pagerduty.wait_for(2)
    assert delivered(pagerduty) == ["pending since 1.7", "queued by version 2"]
    assert machine.out(f"stat -c %a {QUEUE}/tmp {QUEUE}/pdq").split() == ["3733", "3733"]
    machine.until(lambda: name in machine.queued("suc"), "settling")
    assert machine.out(f"stat -c %U {QUEUE}/suc/{name}") == "nobody"


def test_takeover_asks_nothing_and_keeps_edited_configuration(machine: Machine) -> None:
    machine.write("/etc/pdagent.conf", EDITED)
    printed = take_over(machine)
    assert machine.run("cat /etc/pdagent.conf").stdout == EDITED
    assert "?" not in printed
    assert machine.pid()


def test_takeover_leaves_nothing_of_version_1_behind(machine: Machine) -> None:
    take_over(machine)
    assert machine.installed().split() == sorted(
        ["pdagent", "pdagent-sysvinit"] if machine.image == "rpm-sysv" else ["pdagent"]
    )
    leftovers = [
        "/usr/lib/python3/dist-packages/pdagent",
        "/usr/lib/python3/site-packages/pdagent",
        "/var/lib/pdagent/scripts",
        UNIT_OVERRIDE,
        f"{UNIT_OVERRIDE}.*",
        "/etc/init.d/pdagent.*",
    ]
    assert machine.out(f"ls -d {' '.join(leftovers)} 2>/dev/null") == ""
    file = {"systemd": "/systemd/system/pdagent.service", "sysv": "/etc/init.d/pdagent"}
    owner = {"deb": "dpkg-query -S '*{}'", "rpm": "rpm -qf $(ls -d {} /usr/lib{} 2>/dev/null)"}
    machine.run(owner[machine.kind].replace("{}", file[machine.init]))
    assert machine.out("pgrep -f '[p]dagentd.py'") == ""


def test_takeover_keeps_a_disabled_service_disabled(machine: Machine) -> None:
    machine.disable()
    take_over(machine)
    assert not machine.enabled()
    assert machine.pid() == ""


def test_takeover_keeps_old_commands_working(machine: Machine) -> None:
    pagerduty = machine.start_pagerduty()
    take_over(machine)
    fields = "-f HOSTNAME=db7 -f SERVICEDESC=Disk -f SERVICESTATE=CRITICAL"
    machine.run(f"{OLD_COMMANDS}/pd-nagios -n service -k {KEY} -t PROBLEM {fields}")
    body = "name: Disk\nid: 7\nstatus: PROBLEM\nhostname: db7\nip: 1\nseverity: High"
    machine.run(f"{OLD_COMMANDS}/pd-zabbix {KEY} trigger '{body}'")
    sensu = {
        "id": "1",
        "action": "create",
        "check": {"name": "disk", "output": "full"},
        "client": {"name": "db7"},
    }
    machine.run(f"echo '{json.dumps(sensu)}' | {OLD_COMMANDS}/pd-sensu -k {KEY}")
    pagerduty.wait_for(3)
    machine.run("/usr/share/pdagent/bin/pdagentd --version")


@pytest.mark.parametrize("machine", ["debian12-systemd", "rpm-systemd"], indirect=True)
def test_takeover_keeps_a_masked_service_masked(machine: Machine) -> None:
    machine.run("systemctl mask --now pdagent")
    take_over(machine)
    assert machine.out("systemctl is-enabled pdagent") == "masked"
    assert machine.pid() == ""


@pytest.mark.parametrize("machine", ["debian12-systemd", "rpm-systemd"], indirect=True)
def test_takeover_retires_a_copied_unit(machine: Machine) -> None:
    machine.run(f"cp /lib/systemd/system/pdagent.service {UNIT_OVERRIDE}")
    take_over(machine)
    assert machine.out("systemctl show -P Type pdagent") == "notify"
    assert not machine.exists(UNIT_OVERRIDE)


@pytest.mark.parametrize("machine", ["debian12-systemd", "rpm-systemd"], indirect=True)
def test_takeover_carries_a_proxy_out_of_an_edited_unit(machine: Machine) -> None:
    machine.run(f"cp /lib/systemd/system/pdagent.service {UNIT_OVERRIDE}")
    machine.run(f"sed -i '/^User=/i Environment=https_proxy=http://proxy:3128' {UNIT_OVERRIDE}")
    printed = take_over(machine)
    assert (
        "https_proxy=http://proxy:3128"
        in machine.out(f"cat {machine.family.environment}").splitlines()
    )
    assert "version 1 had local changes" in printed


@pytest.mark.parametrize("machine", ["debian12-sysv", "rpm-sysv"], indirect=True)
def test_takeover_carries_a_proxy_out_of_an_edited_init_script(machine: Machine) -> None:
    machine.run("sed -i '2i export https_proxy=http://proxy:3128' /etc/init.d/pdagent")
    printed = take_over(machine)
    assert (
        "https_proxy=http://proxy:3128"
        in machine.out(f"cat {machine.family.environment}").splitlines()
    )
    assert "version 1 had local changes" in printed
