"""Fixtures of the unit tests, among them other users: the tests run as root."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any, Callable

import pytest

from pdagent.outqueue import layout

NOBODY = 65534
AGENT = Path(__file__).resolve().parents[2] / "agent"
SYSTEM_PYTHON = "/usr/bin/python3"


@pytest.fixture
def queue(tmp_path: Path) -> str:
    """An empty outqueue directory with the modes of an installed one."""
    _open_to_all(tmp_path)
    layout.ensure(str(tmp_path / "data"))
    return str(tmp_path / "data" / "outqueue")


@pytest.fixture
def as_nobody(tmp_path: Path) -> Callable[[Callable[[], Any]], Any]:
    """Call a function with the rights of an unprivileged user, and take root's back."""
    _open_to_all(tmp_path)

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


@pytest.fixture
def config(queue: str, tmp_path: Path) -> str:
    """A settings file whose directories are the test's own."""
    path = tmp_path / "pdagent.conf"
    path.write_text(
        f"[Main]\ndata_dir = {tmp_path}/data\nrun_dir = {tmp_path}/run\nmin_free_mb = 0\n"
    )
    return str(path)


@pytest.fixture
def run_main(
    config: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Run a command's main in this process: (exit code, standard output, standard error)."""
    monkeypatch.setenv("PDAGENT_CONFIG", config)

    def run(main: Callable[[list[str]], int], *argv: str) -> tuple[int, str, str]:
        before = os.umask(0o022)
        try:
            code = main(list(argv))
        except SystemExit as end:
            code = end.code
        finally:
            os.umask(before)
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.fixture
def bodies(queue: str) -> Callable[[], list[dict[str, Any]]]:
    """The bodies waiting in pdq, in order."""

    def read() -> list[dict[str, Any]]:
        names = sorted(os.listdir(f"{queue}/pdq"))
        return [json.loads(Path(queue, "pdq", name).read_bytes()) for name in names]

    return read


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands as a package installs them: compiled, readable by all, isolated Python."""
    root = tmp_path_factory.mktemp("installed") / "pdagent"
    shutil.copytree(AGENT, root, ignore=shutil.ignore_patterns("__pycache__"))
    _open_to_all(root)
    for name in ("pd-send", "pd-nagios", "pd-zabbix", "pd-sensu"):
        launcher = root / "bin" / name
        _, _, rest = launcher.read_text().partition("\n")
        launcher.write_text(f"#!{SYSTEM_PYTHON} -IS\n{rest}")
    return root


def _open_to_all(path: Path) -> None:
    """Let every user reach a temporary directory, which pytest keeps to its own user."""
    while path.stat().st_uid == os.getuid() and path != Path(path.anchor, "tmp"):
        path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o711)
        path = path.parent
