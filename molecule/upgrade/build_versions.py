"""Builds what the scenario upgrades from and to: build_versions.py DIRECTORY

DIRECTORY/version1 gets stand-ins for the packages of 1.7.4, DIRECTORY/repo signed
repositories with this release and a later one.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.packaging import builds

LATER_VERSION = "99.0.0"


def main(directory: Path) -> None:
    """Build everything that is not there yet."""
    if (directory / "repo").exists():
        return
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        builds.build_version1(directory / "version1", scratch / "stand-ins")
        later = builds.copy_tree(scratch / "later", LATER_VERSION)
        packages = builds.build(later, scratch / "packages")
        for source in (builds.ROOT / "dist", packages):
            publish = [builds.ROOT / "packaging/repo/publish", "--packages", source]
            subprocess.run([*publish, "--repo", directory / "repo"], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
