"""The life cycle of the package on hosts of each family and init system."""

from __future__ import annotations

import shlex
import time

import pytest

from tests.packaging.machine import KEY, QUEUE, Machine, delivered

CURRENT, LATER = "/packages/current", "/packages/later"
EDITED = "# kept by a test\n[Main]\nsend_interval_secs = 7\n"


def test_install_starts_and_delivers(machine: Machine, record_property) -> None:
    pagerduty = machine.start_pagerduty()
    began = time.monotonic()
    machine.install(CURRENT)
    machine.send("disk full")
    pagerduty.wait_for(1)
    record_property("from install to first event delivered", f"{time.monotonic() - began:.1f} s")
    assert machine.enabled()
    assert machine.service("status").returncode == 0
    assert delivered(pagerduty) == ["disk full"]


def test_install_gives_the_documented_modes(machine: Machine) -> None:
    machine.install(CURRENT)
    names = f"{QUEUE} {QUEUE}/tmp {QUEUE}/pdq {QUEUE}/suc {QUEUE}/err /var/lib/pdagent/db"
    files = f"/etc/pdagent.conf {machine.family.environment} /var/log/pdagent /run/pdagent"
    assert machine.out(f"stat -c '%n %U:%G %a' {names} {files}").splitlines() == [
        f"{QUEUE} pdagent:pdagent 755",
        f"{QUEUE}/tmp pdagent:pdagent 3733",
        f"{QUEUE}/pdq pdagent:pdagent 3733",
        f"{QUEUE}/suc pdagent:pdagent 2750",
        f"{QUEUE}/err pdagent:pdagent 2750",
        "/var/lib/pdagent/db pdagent:pdagent 755",
        "/etc/pdagent.conf root:root 644",
        f"{machine.family.environment} root:root 640",
        "/var/log/pdagent pdagent:pdagent 750",
        "/run/pdagent pdagent:pdagent 755",
    ]


def test_reinstall_mends_modes_and_keeps_the_queue(machine: Machine) -> None:
    machine.install(CURRENT)
    machine.service("stop")
    machine.send("waiting")
    machine.run(f"chmod 0755 {QUEUE}/pdq")
    machine.install(CURRENT, "reinstall")
    assert machine.out(f"stat -c %a {QUEUE}/pdq") == "3733"
    assert len(machine.queued("pdq") + machine.queued("suc")) == 1


def test_upgrade_delivers_pending_events_once(machine: Machine) -> None:
    pagerduty = machine.start_pagerduty()
    machine.install(CURRENT)
    before = machine.pid()
    pagerduty.fault("status", status=503, times=None)
    machine.send("first", "second", "third")
    machine.install(LATER)
    pagerduty.clear_faults()
    pagerduty.wait_for(3)
    machine.until(lambda: not machine.queued("pdq"), "the queue's emptying")
    assert delivered(pagerduty) == ["first", "second", "third"]
    assert machine.pid() not in ("", before)
    assert "2.0.1" in machine.out("pd-send --version")


def test_upgrade_keeps_edited_configuration(machine: Machine) -> None:
    machine.install(CURRENT)
    machine.write("/etc/pdagent.conf", EDITED)
    machine.write(machine.family.environment, "no_proxy=example.net\n")
    machine.install(LATER)
    assert machine.run("cat /etc/pdagent.conf").stdout == EDITED
    assert machine.out(f"cat {machine.family.environment}") == "no_proxy=example.net"
    assert machine.out(f"stat -c %a {machine.family.environment}") == "640"


def test_downgrade_delivers_pending_events(machine: Machine) -> None:
    pagerduty = machine.start_pagerduty()
    machine.install(LATER)
    machine.service("stop")
    machine.send("before the downgrade")
    machine.install(CURRENT, "downgrade")
    machine.service("start")
    pagerduty.wait_for(1)
    assert "2.0.0" in machine.out("pd-send --version")


def test_disabled_stays_disabled(machine: Machine) -> None:
    machine.install(CURRENT)
    machine.disable()
    machine.install(LATER)
    assert not machine.enabled()
    assert machine.pid() == ""


def test_removal_keeps_queue_and_configuration(machine: Machine) -> None:
    machine.install(CURRENT)
    machine.write("/etc/pdagent.conf", EDITED)
    machine.service("stop")
    machine.send("waiting")
    machine.remove()
    assert machine.pid() == ""
    assert len(machine.queued("pdq")) == 1
    assert (
        machine.out("cat /etc/pdagent.conf /etc/pdagent.conf.rpmsave 2>/dev/null") + "\n" == EDITED
    )
    assert not machine.exists("/usr/bin/pd-send")
    assert not machine.exists("/usr/share/pdagent")


def test_reinstallation_after_removal_delivers_what_was_kept(machine: Machine) -> None:
    pagerduty = machine.start_pagerduty()
    machine.install(CURRENT)
    machine.service("stop")
    machine.send("kept")
    machine.remove()
    machine.install(CURRENT)
    pagerduty.wait_for(1)
    assert machine.enabled()
    assert delivered(pagerduty) == ["kept"]


def test_purge_leaves_nothing_but_the_user(machine: Machine) -> None:
    before = set(machine.out("find / -xdev -path /proc -prune -o -print").splitlines())
    machine.install(CURRENT)
    machine.send("gone")
    machine.remove("purge")
    left = set(machine.out("find / -xdev -path /proc -prune -o -print").splitlines()) - before
    assert [path for path in sorted(left) if "pdagent" in path] == []
    assert machine.out("id -un pdagent") == "pdagent"


def test_reinstallation_after_purge_delivers(machine: Machine) -> None:
    pagerduty = machine.start_pagerduty()
    machine.install(CURRENT)
    machine.remove("purge")
    machine.install(CURRENT)
    machine.send("again")
    pagerduty.wait_for(1)


@pytest.mark.parametrize("machine", ["debian12-systemd", "rpm-systemd"], indirect=True)
def test_masked_stays_masked(machine: Machine) -> None:
    machine.install(CURRENT)
    machine.run("systemctl mask --now pdagent")
    machine.install(LATER)
    assert machine.out("systemctl is-enabled pdagent") == "masked"
    assert machine.pid() == ""


def test_start_after_boot_sends_what_piled_up(machine: Machine) -> None:
    pagerduty = machine.start_pagerduty()
    machine.install(CURRENT)
    machine.service("stop")
    machine.run("rm -rf /run/pdagent")
    machine.send("piled up", "piled up too")
    machine.service("start")
    pagerduty.wait_for(2)
    assert delivered(pagerduty) == ["piled up", "piled up too"]


@pytest.mark.parametrize("machine", ["debian12-sysv", "rpm-sysv"], indirect=True)
def test_init_script_status_follows_the_lsb(machine: Machine) -> None:
    machine.install(CURRENT)
    status = "/etc/init.d/pdagent status"
    assert machine.run(status, check=False).returncode == 0
    machine.run("/etc/init.d/pdagent start")
    assert machine.out("pgrep -c -u pdagent -f pdagentd") == "1", "start is idempotent"
    machine.run(f"kill -9 {machine.pid()}")
    machine.until(lambda: not machine.pid(), "the daemon's end")
    assert machine.run(status, check=False).returncode == 1
    machine.run("/etc/init.d/pdagent start && /etc/init.d/pdagent stop")
    assert machine.run(status, check=False).returncode == 3
    assert machine.run("/etc/init.d/pdagent nonsense", check=False).returncode == 2


def test_daemon_has_the_environment_of_the_defaults_file(machine: Machine) -> None:
    machine.install(CURRENT)
    machine.write(machine.family.environment, "https_proxy=http://u:p$&'s@proxy:3128\n# note\n")
    machine.service("restart")
    read = f"tr '\\0' '\\n' < /proc/{machine.pid()}/environ"
    environment = machine.out(f"su -s /bin/sh pdagent -c {shlex.quote(read)}")
    assert "https_proxy=http://u:p$&'s@proxy:3128" in environment.splitlines()


@pytest.mark.parametrize(
    "image",
    [
        "debian11-systemd",
        "debian12-systemd",
        "debian13-systemd",
        "debian12-sysv",
        "rpm-systemd",
        "rpm-sysv",
    ],
)
def test_image_build_without_init_installs_and_enables(image: str, make_machine) -> None:
    machine = make_machine(image, init=False)
    machine.install(CURRENT)
    assert machine.pid() == ""
    assert machine.enabled()
    machine.send("queued in the image")
    assert machine.queued("pdq") == [n for n in machine.queued("pdq") if KEY in n] != []
