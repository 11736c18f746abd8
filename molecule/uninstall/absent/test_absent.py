"""After `absent` the program is gone and what the user owns is still there."""

from __future__ import annotations

import pytest

GONE = (
    "/usr/bin/pd-send",
    "/usr/sbin/pdagentd",
    "/usr/share/pdagent",
    "/lib/systemd/system/pdagent.service",
    "/etc/apt/sources.list.d/pdagent.sources",
    "/etc/yum.repos.d/pdagent.repo",
)


def test_package_is_gone(host):
    assert host.run("pd-send --version").rc == 127


@pytest.mark.parametrize("path", GONE)
def test_file_of_the_package_or_the_role_is_gone(host, path):
    assert not host.file(path).exists


def test_nothing_runs_as_pdagent(host):
    assert host.process.filter(user="pdagent") == []


def test_waiting_event_is_kept(host):
    assert "still waiting" in host.check_output("cat /var/lib/pdagent/outqueue/pdq/*")


def test_configuration_is_kept(host):
    kept = host.check_output("cat /etc/pdagent.conf* 2> /dev/null")
    assert "log_level = warning" in kept
