"""Packages from files on the controller and from URLs: verified before a host gets them."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.packaging import builds
from tests.role.conftest import RELEASES
from tests.role.testbed import Testbed

DEB, RPM = "debian12-systemd", "rpm-systemd"
BOTH = (DEB, RPM)
CURRENT = builds.current_version()
FETCHED = "/var/cache/pdagent"
REPOSITORIES = "ls /etc/apt/sources.list.d /etc/yum.repos.d 2>/dev/null | grep pdagent"


class Release:
    """A copy of a release that a test may spoil, and the variables that install from it."""

    def __init__(self, directory: Path) -> None:
        """Copy this tree's packages, with checksums that the repositories' key signed."""
        self.directory = shutil.copytree(RELEASES / CURRENT, directory)
        self.packages = {
            kind: next(directory.glob(pattern))
            for kind, pattern in (("deb", "pdagent_*.deb"), ("rpm", "pdagent-[0-9]*.rpm"))
        }
        self.checksums = directory / "SHA256SUMS"
        self.write_checksums()

    def write_checksums(self) -> None:
        """Write the list of checksums anew and sign it."""
        lines = [f"{_sha256(one)}  {one.name}\n" for one in self.packages.values()]
        self.checksums.write_text("".join(lines))
        home = builds.ROOT / ".cache/gnupg"
        sign = ["gpg", "--homedir", home, "--batch", "--yes", "--armor", "--detach-sign"]
        subprocess.run([*sign, self.checksums], check=True, capture_output=True)

    def files(self) -> dict[str, object]:
        """Variables that install from files on the controller."""
        return self._variables("file", pdagent_package_files=self._by_family(self.packages))

    def urls(self, server: str) -> dict[str, object]:
        """Variables that have every host download its package from this server."""
        urls = {
            kind: f"http://{server}/releases/{CURRENT}/{package.name}"
            for kind, package in self.packages.items()
        }
        return self._variables("url", pdagent_package_urls=self._by_family(urls))

    def _variables(self, source: str, **variables: object) -> dict[str, object]:
        checksums = {"pdagent_package_checksums": str(self.checksums)}
        return {"pdagent_install_from": source, **checksums, **variables}

    def _by_family(self, paths: dict[str, object]) -> str:
        is_deb = "ansible_facts['pkg_mgr'] == 'apt'"
        return f"{{{{ ['{paths['deb']}' if {is_deb} else '{paths['rpm']}'] }}}}"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return Release(tmp_path / "release")


@pytest.fixture(scope="module")
def clean(testbed: Testbed) -> Testbed:
    testbed.renew(*BOTH)
    return testbed


@pytest.fixture(autouse=True)
def purged(clean: Testbed) -> None:
    """Begin every test with hosts that have nothing of the agent."""
    assert clean.play("pdagent.agent.uninstall", pdagent_state="purged").code == 0


def nothing_reached(testbed: Testbed) -> bool:
    """Return whether no host got a package, nor installed one."""
    fetched = [testbed.shell(host, f"ls {FETCHED} 2>/dev/null") for host in BOTH]
    return fetched == ["", ""] and [testbed.version(host) for host in BOTH] == ["", ""]


def test_local_file_is_installed_without_any_repository(clean, release):
    run = clean.rollout(*BOTH, **release.files())
    assert run.code == 0, run.output
    for host in BOTH:
        assert clean.version(host) == CURRENT
        assert clean.shell(host, REPOSITORIES) == ""
    again = clean.rollout(*BOTH, **release.files())
    assert again.changed == dict.fromkeys(BOTH, 0), again.output


@pytest.mark.parametrize(("kind", "host"), [("deb", DEB), ("rpm", RPM)])
def test_local_file_that_was_tampered_with_reaches_no_host(clean, release, kind, host):
    with release.packages[kind].open("ab") as package:
        package.write(b"!")
    run = clean.rollout(host, **release.files())
    assert run.code != 0
    assert f"{release.packages[kind].name} on the controller is missing or is not" in run.words
    assert f"seen: {_sha256(release.packages[kind])}" in run.words
    assert nothing_reached(clean)


def test_package_that_is_not_on_the_controller_is_named(clean, release):
    release.packages["deb"].unlink()
    run = clean.rollout(DEB, **release.files())
    assert run.code != 0
    assert f"{release.packages['deb'].name} on the controller is missing" in run.words
    assert nothing_reached(clean)


def test_dry_run_on_a_clean_host_passes_and_fetches_nothing(clean, release):
    for variables in (release.files(), release.urls("packages.pdagent.test")):
        run = clean.rollout(*BOTH, options=("--check",), **variables)
        assert run.code == 0, run.output
        assert nothing_reached(clean)


def test_repository_that_the_key_did_not_sign_installs_nothing(clean, tmp_path):
    run = clean.rollout(*BOTH, pdagent_signing_key=str(another_key(tmp_path)))
    assert run.code != 0
    assert f"{DEB}: pdagent>=2 could not be installed. apt says:" in run.words
    assert f"{RPM}: pdagent >= 2 could not be installed. dnf says:" in run.words
    for url in ("pdagent_apt_repository_url", "pdagent_yum_repository_url"):
        assert f"Check pdagent_version, {url} and pdagent_signing_key." in run.words
    assert nothing_reached(clean)


def another_key(directory: Path) -> Path:
    """Return an armored public key that signed nothing."""
    gpg = ["gpg", "--homedir", directory, "--batch", "--passphrase", ""]
    subprocess.run([*gpg, "--quick-gen-key", "other@example.net"], check=True, capture_output=True)
    key = directory / "other.asc"
    subprocess.run([*gpg, "--armor", "--output", key, "--export"], check=True)
    return key


def test_checksums_that_the_key_did_not_sign_are_refused(clean, release):
    with release.checksums.open("a") as checksums:
        checksums.write("0" * 64 + "  pdagent_9-1_all.deb\n")
    for variables in (release.files(), release.urls("packages.pdagent.test")):
        run = clean.rollout(*BOTH, **variables)
        assert run.code != 0
        assert "carries no good signature of" in run.words
        assert nothing_reached(clean)


def test_every_hosts_own_checksums_have_to_be_signed(clean, release, tmp_path):
    """The first host's are good, the second's vouch for a package that was tampered with."""
    forged = Release(tmp_path / "forged")
    with forged.packages["rpm"].open("ab") as package:
        package.write(b"!")
    signature = forged.directory / "SHA256SUMS.asc"
    signed = signature.read_text()
    forged.write_checksums()
    signature.write_text(signed)
    own = {DEB: release.files(), RPM: forged.files()}
    extra = tmp_path / "own.json"
    extra.write_text(json.dumps({"pdagent": {"hosts": own}}))
    run = clean.rollout(*BOTH, inventories=(extra, *clean.inventories))
    assert run.code != 0
    assert f"{forged.checksums} carries no good signature of" in run.words
    assert [clean.version(host) for host in BOTH] == [CURRENT, ""]


def test_package_is_downloaded_from_a_url_through_the_download_proxy(clean, release):
    proxy = {"pdagent_download_proxy": "http://download-proxy.pdagent.test:3129"}
    before = len(clean.downloads())
    run = clean.rollout(*BOTH, **release.urls("mirror.pdagent.test"), **proxy)
    assert run.code == 0, run.output
    assert {host: clean.version(host) for host in BOTH} == dict.fromkeys(BOTH, CURRENT)
    assert set(clean.downloads()[before:]) == {clean.address("download-proxy")}


def test_download_that_the_checksums_do_not_name_is_refused(clean, release):
    variables = release.urls("packages.pdagent.test")
    release.packages = {"rpm": release.packages["rpm"]}
    release.write_checksums()
    run = clean.rollout(DEB, **variables)
    assert run.code != 0
    deb = f"pdagent_{CURRENT}-1_all.deb"
    assert f"{release.checksums} has no checksum of {deb}, so nothing was installed." in run.words
    assert nothing_reached(clean)


def test_download_that_was_tampered_with_is_refused(clean, release):
    for package in release.packages.values():
        with package.open("ab") as more:
            more.write(b"!")
    release.write_checksums()
    run = clean.rollout(*BOTH, **release.urls("packages.pdagent.test"))
    assert run.code != 0
    assert "did not match" in run.words
    assert nothing_reached(clean)
