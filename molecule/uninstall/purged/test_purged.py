"""After `purged` the host is as if the agent had never been there."""

from __future__ import annotations

PLACES = "/etc /lib/systemd /run /usr/bin /usr/lib /usr/sbin /usr/share /var/lib /var/log"
# What package managers remember of any package, and the CA of the test run.
NOT_OURS = (
    "/lib/dpkg/",
    "/lib/rpm/",
    "/lib/apt/",
    "/lib/dnf/",
    "/deb-systemd-helper",
    "pdagent-test",
)


def test_no_file_of_the_agent_is_left(host):
    found = host.run(f"find {PLACES} -name '*pdagent*' -o -name 'pd-*'").stdout.split()
    assert [path for path in found if not any(word in path for word in NOT_OURS)] == []


def test_nothing_runs_as_pdagent(host):
    assert host.run("pgrep -u pdagent").stdout == ""
