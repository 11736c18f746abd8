"""The published repositories, judged by real apt and dnf."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.packaging.conftest import Packages
from tests.packaging.machine import ROOT, Machine

REPO = ROOT / "packaging" / "repo"
HOSTS = ("debian11-systemd", "debian12-systemd", "debian13-systemd", "rpm-systemd")
APT_SOURCE = """\
Types: deb
URIs: http://localhost:8000/{repo}/apt
Suites: stable
Components: main
Signed-By: {key}
"""
YUM_SOURCE = """\
[pdagent]
name=pdagent
baseurl=http://localhost:8000/{repo}/yum
enabled=1
gpgcheck=1
repo_gpgcheck=1
metadata_expire=1
gpgkey=file://{key}
"""


class Keys:
    """Signing keys made for this run."""

    def __init__(self, home: Path) -> None:
        self.environment = {**os.environ, "GNUPGHOME": str(home)}
        self.first, self.second = (self._make(home, name) for name in ("first", "second"))

    def _make(self, home: Path, name: str) -> str:
        made = subprocess.run(
            [REPO / "signing-key", home, name], capture_output=True, text=True, check=True
        )
        return made.stdout.strip()

    def run(self, command: str, *arguments: object, check: bool = True) -> str:
        """Run a script of packaging/repo; returns what it prints on standard error."""
        done = subprocess.run(
            [REPO / command, *(str(a) for a in arguments)],
            capture_output=True, text=True, check=False, env=self.environment,
        )  # fmt: skip
        assert (done.returncode == 0) is check, done.stdout + done.stderr
        return done.stderr


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    """Two signing keys; the agent that gpg starts for them ends with the run."""
    home = tmp_path_factory.mktemp("gnupg")
    yield Keys(home)
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)


@pytest.fixture(scope="session")
def repos(packages: Packages, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good repository, the same in rotation, and the same spoilt in several ways."""
    top = tmp_path_factory.mktemp("repos")
    good = top / "good"
    for directory in (packages.current, packages.later):
        keys.run("publish", "--packages", directory, "--repo", good, "--key", keys.first)
    for name, step in (("rotating", "begin"), ("rotated", "finish")):
        shutil.copytree(good, top / name)
        keys.run("rotate-key", step, keys.first, keys.second, "--repo", top / name)
    for name, spoil in SPOILT.items():
        shutil.copytree(good, top / name)
        spoil(top / name, keys)
    shutil.copy(good / "pdagent-archive-keyring.asc", top / "key.asc")
    top.chmod(0o755)  # apt reads the key as a user of its own
    return top


def unsign_metadata(repo: Path, _: Keys) -> None:
    for name in ("apt/dists/stable/InRelease", "apt/dists/stable/Release.gpg"):
        (repo / name).unlink()
    (repo / "yum/repodata/repomd.xml.asc").unlink()


def tamper_metadata(repo: Path, _: Keys) -> None:
    for name in ("apt/dists/stable/InRelease", "yum/repodata/repomd.xml"):
        path = repo / name
        path.write_bytes(
            path.read_bytes().replace(b"sha256", b"sha257").replace(b"SHA256:", b"SHA256:\n")
        )


def tamper_packages(repo: Path, _: Keys) -> None:
    for path in [*repo.glob("apt/pool/main/p/pdagent/*.deb"), *repo.glob("yum/pdagent-2*.rpm")]:
        content = bytearray(path.read_bytes())
        content[-100] ^= 1
        path.write_bytes(content)


def sign_with_another_key(repo: Path, keys: Keys) -> None:
    keys.run("rotate-key", "finish", keys.first, keys.second, "--repo", repo)


SPOILT: dict[str, Callable[[Path, Keys], None]] = {
    "unsigned-metadata": unsign_metadata,
    "tampered-metadata": tamper_metadata,
    "tampered-packages": tamper_packages,
    "another-key": sign_with_another_key,
}


@pytest.fixture
def mounts(mounts: dict[str, str], repos: Path) -> dict[str, str]:
    """What hosts of this module see: the repositories too."""
    return {**mounts, str(repos): "/repos"}


@pytest.fixture(params=HOSTS)
def machine(request: pytest.FixtureRequest, make_machine: Callable[..., Machine]) -> Machine:
    """A host without a running init, and a web server for /repos on it."""
    made = make_machine(request.param, init=False)
    made.run("setsid python3 -m http.server -d /repos 8000 >/dev/null 2>&1 &")
    made.until(lambda: made.out("curl -sf localhost:8000") != "", "the web server's start")
    return made


def add_repository(machine: Machine, repo: str, key: str = "/repos/key.asc") -> None:
    """Configure a repository as the documentation says."""
    if machine.kind == "deb":
        text = APT_SOURCE.format(repo=repo, key=key)
        machine.write("/etc/apt/sources.list.d/pdagent.sources", text)
    else:
        machine.write("/etc/yum.repos.d/pdagent.repo", YUM_SOURCE.format(repo=repo, key=key))


def install(machine: Machine, package: str = "pdagent", *, check: bool = True) -> str:
    """Install from the configured repository; returns all that was printed."""
    commands = {
        "deb": "apt-get update && apt-get install -y --allow-downgrades {}",
        "rpm": "dnf clean expire-cache -q; dnf -y install {} || dnf -y downgrade {}",
    }
    command = commands[machine.kind].replace("{}", package)
    done = machine.run(f"export DEBIAN_FRONTEND=noninteractive; ({command}) 2>&1", check=check)
    return done.stdout


def version(machine: Machine) -> str:
    """Return the version of the agent that is installed."""
    return machine.out("pd-send --version").removeprefix("pd-send ")


def test_repository_installs_the_newest_and_keeps_the_older(machine: Machine) -> None:
    add_repository(machine, "good")
    install(machine)
    assert version(machine) == "2.0.1"
    install(machine, {"deb": "pdagent=2.0.0-1", "rpm": "pdagent-2.0.0"}[machine.kind])
    assert version(machine) == "2.0.0"


def test_spoilt_repositories_are_refused(machine: Machine) -> None:
    for spoilt in SPOILT:
        add_repository(machine, spoilt)
        install(machine, check=False)
        assert machine.installed() == "", spoilt
    add_repository(machine, "good")
    install(machine)
    assert version(machine) == "2.0.1"


def test_rotation_never_leaves_a_host_behind(machine: Machine) -> None:
    """A host that upgrades its keyring between the two steps trusts both repositories."""
    add_repository(machine, "good")
    install(machine, "pdagent-archive-keyring")
    key = {
        "deb": "/usr/share/keyrings/pdagent-archive-keyring.asc",
        "rpm": "/etc/pki/rpm-gpg/RPM-GPG-KEY-pdagent",
    }[machine.kind]
    add_repository(machine, "rotating", key)
    upgrade = {"deb": "apt-get install -y", "rpm": "dnf -y upgrade"}[machine.kind]
    refresh = {"deb": "apt-get update", "rpm": "dnf clean expire-cache -q"}[machine.kind]
    machine.run(f"{refresh} && {upgrade} pdagent-archive-keyring")
    add_repository(machine, "rotated", key)
    install(machine)
    assert version(machine) == "2.0.1"


def test_unsigned_rpm_file_is_refused_by_dnf(make_machine: Callable[..., Machine]) -> None:
    machine = make_machine("rpm-systemd", init=False)
    options = "--setopt=localpkg_gpgcheck=1 --disablerepo='*'"
    done = machine.run(
        f"dnf -y {options} install /packages/current/pdagent-2*.rpm 2>&1", check=False
    )
    assert done.returncode != 0
    assert "is not signed" in done.stdout
    assert machine.installed() == ""


def test_published_version_is_not_replaced(packages: Packages, keys: Keys, tmp_path: Path) -> None:
    repo, changed = tmp_path / "repo", tmp_path / "changed"
    keys.run("publish", "--packages", packages.current, "--repo", repo, "--key", keys.first)
    shutil.copytree(packages.current, changed)
    deb = next(changed.glob("*.deb"))
    subprocess.run(["ar", "rc", deb, packages.current / "SHA256SUMS"], check=True)
    arguments = ("--packages", changed, "--repo", repo, "--key", keys.first)
    said = keys.run("publish", *arguments, check=False)
    assert "published with other contents" in said
    keys.run("publish", *arguments, "--replace")


def test_no_secret_key_is_published(repos: Path) -> None:
    keyrings = [path.read_text() for path in repos.rglob("*keyring*.asc")]
    assert keyrings
    for text in keyrings:
        assert "BEGIN PGP PUBLIC KEY BLOCK" in text
        assert "PRIVATE KEY" not in text
