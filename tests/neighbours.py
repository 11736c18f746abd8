"""Other users of the host: the tests run as root and take an unprivileged user's rights."""

from __future__ import annotations

import importlib
import os
import shutil
import stat
from pathlib import Path
from typing import Any, Callable

import pytest

NOBODY = 65534
# Options of subprocess.run for a process of that user.
AS_NOBODY: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": [], "cwd": "/"}
AGENT = Path(__file__).resolve().parents[1] / "agent"
# Root's own interpreter may lie where no other user can reach it.
SYSTEM_PYTHON = "/usr/bin/python3"


@pytest.fixture
def as_nobody(tmp_path: Path) -> Callable[[Callable[[], Any]], Any]:
    """Call a function with the rights of an unprivileged user, and take root's back."""
    open_to_all(tmp_path)
    # The checkout may lie where that user cannot read what is imported late.
    importlib.import_module("pdagent.outqueue.usage")

    def call(function: Callable[[], Any]) -> Any:
        groups = os.getgroups()
        os.setgroups([])
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
        try:
            return function()
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(groups)

    return call


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands as a package installs them: compiled, readable by all, isolated Python."""
    root = tmp_path_factory.mktemp("installed") / "pdagent"
    shutil.copytree(AGENT, root, ignore=shutil.ignore_patterns("__pycache__"))
    open_to_all(root)
    for name in ("pd-send", "pd-nagios", "pd-zabbix", "pd-sensu"):
        launcher = root / "bin" / name
        _, _, rest = launcher.read_text().partition("\n")
        launcher.write_text(f"#!{SYSTEM_PYTHON} -IS\n{rest}")
    return root


def open_to_all(path: Path) -> None:
    """Let every user reach a temporary directory, which pytest keeps to its own user."""
    while path.stat().st_uid == os.getuid() and path != Path(path.anchor, "tmp"):
        path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o711)
        path = path.parent
