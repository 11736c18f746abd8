"""Which version a host ends up with, and from where."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.packaging import builds
from tests.role.conftest import NAME, NEXT_VERSION, RELEASES

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
        subprocess.run(["podman", "cp", packages, f"{NAME}-{host}:/tmp/old"], check=True)
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


@pytest.fixture
def offline(tmp_path):
    """The variables of a local installation, with packages of this test's own."""
    release = tmp_path / "release"
    shutil.copytree(RELEASES / CURRENT, release)
    subprocess.run(
        ["bash", "-c", f"cd {release} && sha256sum *.deb *.rpm > SHA256SUMS && rm -f *.asc"],
        check=True,
    )
    sign(release / "SHA256SUMS")
    return {
        "pdagent_install_from": "file",
        "pdagent_package_checksums": str(release / "SHA256SUMS"),
        "pdagent_package_files": [str(next(release.glob("pdagent_*.deb")))],
    }


def sign(path):
    """Sign a file with the key that signs the repositories."""
    home = builds.ROOT / ".cache/gnupg"
    command = ["gpg", "--homedir", home, "--batch", "--yes", "--armor", "--detach-sign", path]
    subprocess.run(command, check=True, capture_output=True)


def test_local_file_is_installed_without_any_repository(testbed, offline):
    testbed.renew(DEB)
    run = testbed.rollout(DEB, **offline)
    assert run.code == 0, run.output
    assert testbed.version(DEB) == CURRENT
    assert testbed.shell(DEB, "ls /etc/apt/sources.list.d") == ""
    again = testbed.rollout(DEB, **offline)
    assert again.changed == {DEB: 0}, again.output


def test_local_file_that_was_tampered_with_reaches_no_host(testbed, offline):
    with open(offline["pdagent_package_files"][0], "ab") as package:
        package.write(b"!")
    run = testbed.rollout(DEB, **offline)
    assert run.code != 0
    assert "is not the file that" in run.words
    assert "so nothing was installed" in run.words


def test_checksums_that_the_key_did_not_sign_are_refused(testbed, offline):
    with open(offline["pdagent_package_checksums"], "a") as checksums:
        checksums.write("0" * 64 + "  pdagent_9-1_all.deb\n")
    run = testbed.rollout(DEB, **offline)
    assert run.code != 0
    assert "carries no good signature of" in run.words


def test_package_is_downloaded_from_a_url_and_verified(testbed, offline):
    name = offline["pdagent_package_files"][0].rsplit("/", 1)[1]
    url = f"http://packages.pdagent.test/apt/pool/main/p/pdagent/{name}"
    offline |= {"pdagent_install_from": "url", "pdagent_package_urls": [url]}
    testbed.renew(DEB)
    run = testbed.rollout(DEB, **offline)
    assert run.code == 0, run.output
    assert testbed.version(DEB) == CURRENT
