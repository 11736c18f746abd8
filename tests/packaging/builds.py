"""Packages built for the tests: this tree's, a later version, and stand-ins for 1.7."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STAND_INS = Path(__file__).resolve().parent / "version1"
SOURCES = ("LICENSE", "agent", "packaging")
VERSION_LINES = {
    "agent/pdagent/__init__.py": '__version__ = "{}"',
    "packaging/rpm/pdagent.spec": "Version:        {}",
    "packaging/deb/debian/changelog": "pdagent ({}-1)",
}


def current_version() -> str:
    """Return the version of this tree."""
    first = (ROOT / "packaging/deb/debian/changelog").read_text().split("(", 1)[1]
    return first.split("-", 1)[0]


def copy_tree(target: Path, version: str = "") -> Path:
    """Copy what packages are built from; with `version`, as that version."""
    target.mkdir(parents=True)
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, symlinks=True)
        else:
            shutil.copy2(ROOT / name, target / name)
    for name, line in VERSION_LINES.items() if version else ():
        path = target / name
        text = path.read_text()
        old = line.format(current_version())
        assert old in text, f"{name} does not say {old}"
        path.write_text(text.replace(old, line.format(version), 1))
    return target


def build(tree: Path, out: Path, what: str = "all", **options: object) -> Path:
    """Run packaging/build of a tree; returns the directory of the packages."""
    done = subprocess.run(
        [tree / "packaging/build", what, out],
        capture_output=True, text=True, check=False, **options,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def stage_version1(root: Path, packages: str) -> None:
    """Lay out the files of 1.7.4 below `root`; `packages` is dist-packages or site-packages."""
    modules = f"usr/lib/python3/{packages}/pdagent"
    files = {
        "etc/pdagent.conf": STAND_INS / "pdagent.conf",
        "usr/share/pdagent/bin/pdagentd.py": STAND_INS / "pdagentd.py",
        "var/lib/pdagent/scripts/pdagent.init": STAND_INS / "pdagent.init",
        "var/lib/pdagent/scripts/pdagent.service": STAND_INS / "pdagent.service",
        f"{modules}/__init__.py": STAND_INS / "pdagentd.py",
        f"{modules}/thirdparty/__init__.py": STAND_INS / "pdagentd.py",
    }
    for name, source in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, root / name)
    for name in ("db", "outqueue/pdq", "outqueue/tmp", "outqueue/suc", "outqueue/err"):
        (root / "var/lib/pdagent" / name).mkdir(parents=True, exist_ok=True)
    (root / "var/log/pdagent").mkdir(parents=True)
    commands = {"usr/bin/pd-send": "", "usr/bin/pd-queue": "", "usr/share/pdagent/bin/pdagentd": ""}
    commands |= {
        f"usr/share/pdagent-integrations/bin/pd-{n}": "" for n in ("nagios", "zabbix", "sensu")
    }
    for name in commands:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('#!/bin/sh\nexec /usr/bin/python3 "$0.py" "$@"\n')
    for path in root.glob("usr/**/bin/*"):
        path.chmod(0o755)


def build_version1(out: Path, scratch: Path) -> Path:
    """Build the deb and rpm stand-ins for 1.7.4 and pdagent-integrations 1.6.2 into `out`."""
    out.mkdir(parents=True)
    stage_version1(scratch / "rpm-root", "site-packages")
    defines = {"_topdir": scratch / "rpm", "staged": scratch / "rpm-root", "scripts": STAND_INS}
    options = [word for name, value in defines.items() for word in ("--define", f"{name} {value}")]
    spec = STAND_INS / "pdagent.spec"
    subprocess.run(["rpmbuild", "-bb", "--quiet", spec, *options], check=True, capture_output=True)
    for package in (scratch / "rpm/RPMS/noarch").iterdir():
        shutil.move(package, out)
    stage_version1(scratch / "pdagent", "dist-packages")
    integrations = scratch / "pdagent-integrations"
    (integrations / "usr/share").mkdir(parents=True)
    shutil.move(scratch / "pdagent/usr/share/pdagent-integrations", integrations / "usr/share")
    for name, version, depends in (
        ("pdagent", "1.7.4", "python3"),
        ("pdagent-integrations", "1.6.2", "pdagent"),
    ):
        control = scratch / name / "DEBIAN"
        control.mkdir()
        (control / "control").write_text(
            f"Package: {name}\nVersion: {version}\nArchitecture: all\nDepends: {depends}\n"
            "Maintainer: nobody <nobody@example.net>\nDescription: stand-in for version 1\n"
        )
        if name == "pdagent":
            (control / "conffiles").write_text("/etc/pdagent.conf\n")
            for script, source in (("postinst", "install"), ("prerm", "remove")):
                (control / script).write_text("#!/bin/sh\n" + (STAND_INS / source).read_text())
                (control / script).chmod(0o755)
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "--build", scratch / name, out],
            check=True, capture_output=True,
        )  # fmt: skip
    return out
