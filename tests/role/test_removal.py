"""Removing the agent: what goes, what stays, and that a second time changes nothing."""

from __future__ import annotations

import pytest

from tests.role.conftest import FLEET

UNINSTALL = "pdagent.agent.uninstall"
EVENT = "/var/lib/pdagent/outqueue/suc/1700000000000000_key.txt"
KEPT = ("/etc/pdagent.conf", EVENT, "/var/log/pdagent/pdagentd.log")
GONE = (
    "/usr/bin/pd-send /*/systemd/system/pdagent.service /usr/lib/systemd/system/pdagent.service "
    "/etc/apt/sources.list.d/pdagent* /etc/apt/keyrings/pdagent* /etc/yum.repos.d/pdagent* "
    "/etc/pki/rpm-gpg/*pdagent* /etc/systemd/system/pdagent.service.d/*"
)
# What package managers remember of a repository.
CACHES = "/var/(cache/apt|cache/dnf|lib/apt/lists|lib/dnf)/"


def files(testbed, host):
    """Return the paths named after the agent, and the files that mention its repository."""
    named = f"find / -xdev '(' -name '*pdagent*' -o -name 'pd-*' ')' | grep -vE '^{CACHES}'"
    mentioning = "grep -rl packages.pdagent.test /etc | grep -v ^/etc/hosts"
    return set(testbed.shell(host, f"{named}; {mentioning}").split())


@pytest.fixture(scope="module")
def before(testbed):
    testbed.renew(*FLEET)
    pristine = {host: files(testbed, host) for host in FLEET}
    overrides = {"Service": {"MemoryMax": "300M"}}
    run = testbed.rollout(*FLEET, pdagent_unit_overrides=overrides)
    assert run.code == 0, run.output
    for host in FLEET:
        testbed.shell(host, f"touch {EVENT}")
    return pristine


@pytest.fixture(scope="module")
def removed(before, testbed):
    first = testbed.play(UNINSTALL)
    assert first.code == 0, first.output
    return {host: files(testbed, host) for host in FLEET}


@pytest.fixture(scope="module")
def purged(removed, testbed):
    first = testbed.play(UNINSTALL, pdagent_state="purged")
    assert first.code == 0, first.output
    return {host: files(testbed, host) for host in FLEET}


@pytest.mark.parametrize("host", FLEET)
def test_absent_stops_the_daemon_and_takes_package_and_repository(removed, testbed, host):
    assert testbed.version(host) == ""
    assert testbed.shell(host, "pgrep -f pdagentd") == ""
    assert testbed.shell(host, f"ls -d {GONE} 2>/dev/null") == ""


@pytest.mark.parametrize("host", FLEET)
def test_absent_keeps_configuration_queue_and_logs(removed, testbed, host):
    saved = "for f in /etc/pdagent.conf*; do echo ${f%.rpmsave}; done"  # rpm's own way
    kept = testbed.shell(host, f"{saved}; ls -d {' '.join(KEPT[1:])}").split()
    assert kept == list(KEPT)


@pytest.mark.parametrize("host", FLEET)
def test_purged_leaves_the_host_as_it_was_but_for_the_user(before, purged, host):
    assert purged[host] == before[host]


def test_removing_again_changes_nothing_and_needs_nothing_that_installs(purged, testbed):
    wrong = {"pdagent_environment": {"NOT-A-NAME": "it's"}, "pdagent_test_event": True}
    again = testbed.play(UNINSTALL, pdagent_state="purged", **wrong)
    assert again.code == 0, again.output
    assert set(again.changed.values()) == {0}
