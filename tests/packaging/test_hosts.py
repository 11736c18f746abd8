"""Every supported host image: the unit is there, owned, loaded, and as safe as promised."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.packaging.machine import Machine

CURRENT = "/packages/current"
SYSTEMD_HOSTS = ("debian11-systemd", "debian12-systemd", "debian13-systemd", "rpm-systemd")
SYSV_HOSTS = ("debian12-sysv", "debian13-sysv", "rpm-sysv")
OWNER = {"deb": "dpkg -L pdagent", "rpm": "rpm -qal 'pdagent*'"}


@pytest.mark.parametrize("image", SYSTEMD_HOSTS)
def test_unit_is_found_owned_enabled_and_running(
    image: str, make_machine: Callable[..., Machine]
) -> None:
    machine = make_machine(image)
    machine.install(CURRENT)
    shown = machine.out("systemctl show -P LoadState -P ActiveState -P UnitFileState pdagent")
    assert shown.split() == ["loaded", "active", "enabled"]
    assert "/systemd/system/pdagent.service" in machine.out(OWNER[machine.kind])
    machine.run("systemctl stop pdagent && systemctl start pdagent && systemctl reload pdagent")
    assert machine.out("systemctl show -P StatusErrno pdagent") == "0"


@pytest.mark.parametrize("image", SYSTEMD_HOSTS[1:])
def test_unit_scores_one_and_a_half_or_better_where_it_runs(
    image: str, make_machine: Callable[..., Machine]
) -> None:
    machine = make_machine(image)
    machine.install(CURRENT)
    text = machine.out("systemd-analyze security --no-pager pdagent.service")
    assert float(re.search(r"Overall exposure level for \S+ ([\d.]+)", text)[1]) <= 1.5


def test_unit_made_of_the_init_script_does_not_wait_for_itself(
    make_machine: Callable[..., Machine],
) -> None:
    """Where the unit is lost, systemd runs the script, which must not hand back to systemd."""
    machine = make_machine("debian12-systemd")
    machine.install(CURRENT)
    machine.run("systemctl stop pdagent && rm $(systemctl show -P FragmentPath pdagent)")
    machine.run("systemctl daemon-reload")
    assert "generator" in machine.out("systemctl show -P FragmentPath pdagent")
    machine.run("timeout 30 systemctl start pdagent")
    assert machine.pid()
    machine.run("timeout 60 systemctl stop pdagent")
    assert machine.pid() == ""


@pytest.mark.parametrize("image", SYSV_HOSTS)
def test_init_script_is_found_owned_enabled_and_running(
    image: str, make_machine: Callable[..., Machine]
) -> None:
    machine = make_machine(image)
    machine.install(CURRENT)
    assert "/init.d/pdagent" in machine.out(OWNER[machine.kind])
    assert machine.enabled()
    machine.service("restart")
    assert machine.service("status").returncode == 0


def test_drop_in_survives_an_upgrade_and_reaches_the_daemon(
    make_machine: Callable[..., Machine],
) -> None:
    machine = make_machine("debian13-systemd")
    machine.install(CURRENT)
    drop_in = "/etc/systemd/system/pdagent.service.d/proxy.conf"
    machine.run(f"mkdir -p $(dirname {drop_in})")
    machine.run(f"cp /usr/share/doc/pdagent/examples/proxy.conf {drop_in}")
    machine.install("/packages/later")
    read = f"su -s /bin/sh pdagent -c 'cat /proc/{machine.pid()}/environ'"
    assert "https_proxy=http://proxy.example.net:3128" in machine.out(read)


def test_log_is_rotated_without_losing_the_daemon(make_machine: Callable[..., Machine]) -> None:
    machine = make_machine("debian12-systemd")
    machine.install(CURRENT)
    log = "/var/log/pdagent/pdagentd.log"
    machine.run("logrotate --force /etc/logrotate.d/pdagent")
    machine.run("systemctl reload pdagent")
    machine.until(lambda: machine.out(f"stat -c %s {log}") not in ("", "0"), "a line in the log")
    assert machine.out(f"stat -c '%U %a' {log}") == "pdagent 640"
    assert machine.exists(f"{log}.1")
