"""After `absent` the program is gone and what the user owns is still there."""

from __future__ import annotations

import re

STATE = {"/var/lib/pdagent", "/var/log/pdagent", "/var/log/pdagent/pdagentd.log"}
# What each package manager keeps of configuration until it is told to purge.
CONFIGURATION = {
    "apt": {
        "/etc/default/pdagent",
        "/etc/init.d/pdagent",
        "/etc/logrotate.d/pdagent",
        "/etc/pdagent.conf",
    },
    "dnf": {"/etc/pdagent.conf.rpmsave", "/etc/sysconfig/pdagent.rpmsave"},
}
# Debian's note that the service was enabled, and what the next boot clears.
NOTES = re.compile(r"/etc/rc\d\.d/|/etc/systemd/system/multi-user\.target\.wants/|/run/pdagent$")


def test_program_is_gone(host):
    assert host.run("pd-send --version").rc == 127


def test_configuration_and_state_are_left_and_nothing_else(host, files_left):
    manager = "dnf" if host.exists("dnf") else "apt"
    left = {path for path in files_left if not NOTES.match(path)}
    assert left == STATE | CONFIGURATION[manager]


def test_nothing_runs_as_pdagent(host):
    assert host.process.filter(user="pdagent") == []


def test_waiting_event_is_kept(host):
    assert "still waiting" in host.check_output("cat /var/lib/pdagent/outqueue/pdq/*")


def test_configuration_is_kept(host):
    kept = host.check_output("cat /etc/pdagent.conf* 2> /dev/null")
    assert "log_level = warning" in kept
