"""piuparts and autopkgtest, on the test host's image instead of a fresh one from a mirror."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from lab import runtime
from lab.boot import PREFIX
from tests.packaging.conftest import Packages
from tests.packaging.machine import ROOT

IMAGE = PREFIX + "debian12-systemd"
# The image leaves out documentation and translations, which dpkg's lists and checksums miss;
# the last two are what logrotate and exporting a container change.
PIUPARTS = [
    "--keep-sources-list", "--distribution=bookworm", "--warn-on-debsums-errors",
    "--skip-logrotatefiles-test", "--ignore-regex=/var/lib/dpkg/info/.*\\.list",
    "--ignore=/var/lib/logrotate/status", "--ignore=/usr/lib/dbus-1.0/dbus-daemon-launch-helper",
]  # fmt: skip


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The image's files as a compressed tar archive."""
    archive = tmp_path / "base.tar.gz"
    made = subprocess.run(
        ["podman", "create", "--pull=never", IMAGE, "true"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    container = made.stdout.strip()
    subprocess.run(f"podman export {container} | gzip -1 > {archive}", shell=True, check=True)
    subprocess.run(["podman", "rm", container], check=True, capture_output=True)
    return archive


def test_piuparts_finds_nothing_left_after_purge(packages: Packages, base: Path) -> None:
    deb = next(packages.current.glob("*.deb"))
    done = subprocess.run(
        ["piuparts", "-b", base, *PIUPARTS, deb], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert "PASS: All tests." in done.stdout + done.stderr


def test_autopkgtest_passes(packages: Packages, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "packaging" / "deb" / "debian", tree / "debian")
    (tree / "debian" / "files").touch()  # makes it a built tree: nothing is to be built
    done = subprocess.run(
        ["autopkgtest", "--setup-commands=dpkg -i /packages/*.deb", tree, "--",
         "podman", "--init", IMAGE, "--", "--pull=never", *runtime.podman_arguments(),
         f"--volume={packages.current}:/packages:ro"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert "delivers             PASS" in done.stdout + done.stderr
