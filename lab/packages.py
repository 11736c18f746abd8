"""Builds packages and repositories when their sources changed: python -m lab.packages"""

from __future__ import annotations

import hashlib
import sys

from lab.console import ROOT, LabError, run

STAMP = ROOT / "dist" / ".sources.sha256"


def sources_hash() -> str:
    """Return the hash of everything that packages and repositories are made from."""
    folders = (ROOT / "agent", ROOT / "packaging")
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in files:
        if "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def are_current() -> bool:
    """Return whether dist/ holds packages and repositories made from today's sources."""
    return STAMP.exists() and STAMP.read_text() == sources_hash()


def build() -> str:
    """Build deb and rpm and publish the signed repositories, unless the sources are the same."""
    if are_current():
        return "up to date"
    run([ROOT / "packaging/build"], "packages", why="The packages could not be built")
    sbom = [sys.executable, ROOT / "packaging/sbom", ROOT / "dist"]
    run(sbom, "sbom", why="The bills of materials could not be written")
    publish = [ROOT / "packaging/repo/publish", "--replace"]
    run(publish, "repositories", why="The repositories could not be published")
    STAMP.write_text(sources_hash())
    names = [path.name for path in (ROOT / "dist").iterdir() if path.suffix in (".deb", ".rpm")]
    return f"built {len(names)} packages, signed apt and yum"


if __name__ == "__main__":
    try:
        print(f"packages: {build()}")
    except LabError as error:
        sys.exit(str(error))
