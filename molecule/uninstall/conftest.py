"""What the tests of both removals share."""

from __future__ import annotations

import pytest

PLACES = "/etc /lib/systemd /run /usr/bin /usr/lib /usr/sbin /usr/share /var/lib /var/log"
CA_OF_THE_RUN = "/etc/ssl/certs/pdagent-test.pem"
# What package managers remember of any package, and the CA of the test run.
NOT_OURS = (
    "/lib/dpkg/",
    "/lib/rpm/",
    "/lib/apt/",
    "/lib/dnf/",
    "/deb-systemd-helper",
    "pdagent-test",
)


@pytest.fixture
def files_left(host):
    """The files and directories on the host that are named after the agent."""
    found = host.run(f"find {PLACES} -name '*pdagent*' -o -name 'pd-*'").stdout.split()
    assert CA_OF_THE_RUN in found  # the search works
    return {path for path in found if not any(word in path for word in NOT_OURS)}
