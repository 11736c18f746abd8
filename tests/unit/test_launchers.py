"""The few lines in agent/bin that start a command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(__file__).resolve().parents[2] / "agent" / "bin"


@pytest.mark.parametrize("name", sorted(os.listdir(BIN)))
def test_an_interrupt_while_a_command_is_imported_is_no_traceback(tmp_path, name):
    (tmp_path / "bin").mkdir()
    launcher = shutil.copy(BIN / name, tmp_path / "bin")
    (tmp_path / "pdagent").mkdir()
    (tmp_path / "pdagent" / "__init__.py").write_text("raise KeyboardInterrupt\n")

    done = subprocess.run([sys.executable, "-I", launcher], capture_output=True)

    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.mark.parametrize(
    ("name", "arguments"), [("pd-doctor", []), ("pdagentd", ["-f"]), ("pdagentd", [])]
)
def test_a_python_without_requests_is_said_in_words(config, tmp_path, name, arguments):
    """-S: without the modules that the system's packages install."""
    with open(config, "a") as file:
        file.write(f"log_file = {tmp_path}/pdagentd.log\n")
    command = [sys.executable, "-S", BIN / name, *arguments, "--config", config]

    done = subprocess.run(command, capture_output=True, text=True, env={})

    assert done.returncode == 1
    said = f"No module named 'requests': install python3-requests for {sys.executable}\n"
    assert said in done.stderr
    assert "Traceback" not in done.stderr
