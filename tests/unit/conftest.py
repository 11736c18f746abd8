"""Fixtures of the unit tests."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Callable

import pytest
from hypothesis import HealthCheck, settings

from pdagent.outqueue import layout
from pdagent.outqueue.outbox import Outbox
from tests.neighbours import open_to_all
from tests.sample import BODY, NAME

# How long an example takes says something about the machine, not about the agent. The examples
# are the same in every run: whoever changes something else should not meet a new one.
settings.register_profile(
    "unit",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("unit")


@pytest.fixture
def queue(tmp_path: Path) -> str:
    """An empty outqueue directory with the modes of an installed one."""
    open_to_all(tmp_path)
    layout.ensure(str(tmp_path / "data"))
    return str(tmp_path / "data" / "outqueue")


@pytest.fixture
def outqueue(queue: str) -> Path:
    """The same directory as a path."""
    return Path(queue)


@pytest.fixture
def outbox(queue: str) -> Outbox:
    """The daemon's view of that directory."""
    return Outbox(queue)


@pytest.fixture
def pending(outqueue: Path) -> Path:
    """The file of one event that waits there."""
    path = outqueue / "pdq" / NAME
    path.write_bytes(BODY)
    return path


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
