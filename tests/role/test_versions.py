"""Which version a host ends up with, and what a version that does not exist gives."""

from __future__ import annotations

import subprocess

import pytest

from tests.packaging import builds
from tests.role.conftest import NEXT_VERSION

DEB, RPM = "debian12-systemd", "rpm-systemd"
BOTH = (DEB, RPM)
CURRENT = builds.current_version()
# Prints the package of 1.x's integrations if it is installed, whichever family it is of.
OLD_INTEGRATIONS = """
if [ -d /var/lib/dpkg/info ] && ! command -v rpm >/dev/null
then dpkg -l pdagent-integrations 2>/dev/null | grep ^ii
else rpm -qa pdagent-integrations
fi
"""
OLD_SOURCE = "deb http://packages.example.net/pdagent deb/"


@pytest.fixture(scope="module")
def version1(testbed, tmp_path_factory):
    """Hosts as 1.7 leaves them: its packages, its repository, an event that waits."""
    scratch = tmp_path_factory.mktemp("version1")
    packages = builds.build_version1(scratch / "packages", scratch)
    testbed.renew(*BOTH)
    for host, install in ((DEB, "dpkg -i /tmp/old/*.deb"), (RPM, "rpm -i --nodeps /tmp/old/*.rpm")):
        subprocess.run(
            ["podman", "cp", packages, f"{testbed.container(host)}:/tmp/old"], check=True
        )
        testbed.shell(host, install)
        assert testbed.version(host) == "1.7.4"
    testbed.shell(DEB, f"echo '{OLD_SOURCE}' > /etc/apt/sources.list.d/pdagent.list")
    old_repository = "[pdagent]\\nname=old\\nbaseurl=http://packages.example.net/pdagent/rpm"
    testbed.shell(RPM, f"printf '{old_repository}\\n' > /etc/yum.repos.d/pdagent.repo")
    return testbed


def test_host_of_1_7_is_taken_over_with_its_repository_and_packages(version1):
    run = version1.rollout(*BOTH)
    assert run.code == 0, run.output
    for host in BOTH:
        assert version1.version(host) == NEXT_VERSION
        assert version1.shell(host, "grep -rl packages.example.net /etc") == ""
        assert version1.shell(host, OLD_INTEGRATIONS) == ""
    again = version1.rollout(*BOTH)
    assert again.changed == dict.fromkeys(BOTH, 0), again.output


def test_pinned_version_goes_down_and_latest_goes_up(version1):
    for pin, version in ((CURRENT, CURRENT), ("latest", NEXT_VERSION)):
        run = version1.rollout(*BOTH, pdagent_version=pin)
        assert run.code == 0, run.output
        assert {host: version1.version(host) for host in BOTH} == dict.fromkeys(BOTH, version)


def test_version_is_left_alone_when_none_is_asked_for(version1):
    assert version1.rollout(*BOTH, pdagent_version=CURRENT).code == 0
    run = version1.rollout(*BOTH)
    assert run.changed == dict.fromkeys(BOTH, 0), run.output
    assert {host: version1.version(host) for host in BOTH} == dict.fromkeys(BOTH, CURRENT)


def test_pin_that_no_package_has_is_refused_and_named(version1):
    start_of_a_version = CURRENT.rpartition(".")[0]
    before = {host: version1.version(host) for host in BOTH}
    run = version1.rollout(*BOTH, pdagent_version=start_of_a_version)
    assert run.code != 0
    assert f"{DEB}: pdagent={start_of_a_version}-* could not be installed. apt says:" in run.words
    assert f"{RPM}: pdagent-{start_of_a_version} could not be installed. dnf says:" in run.words
    assert "Check pdagent_version, pdagent_apt_repository_url and pdagent_signing_key" in run.words
    assert {host: version1.version(host) for host in BOTH} == before
