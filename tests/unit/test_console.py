"""The commands as processes: locales, streams that cannot be written, another user."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pdagent.commands import send
from tests.neighbours import AS_NOBODY

KEY = "0123456789abcdef0123456789abcdef"
TRIGGER = ["-k", KEY, "-t", "trigger", "-d", "x"]


@pytest.fixture
def run(run_main):
    return lambda *argv: run_main(send.main, *argv)


def command(tmp_path, *argv):
    return [sys.executable, "agent/bin/pd-send", "--config", f"{tmp_path}/pdagent.conf", *argv]


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8", "nonsense"])
def test_text_is_utf_8_in_every_locale_and_latin_1_arguments_do_not_crash_it(
    run, bodies, tmp_path, locale
):
    argv = command(tmp_path, "-k", KEY, "-t", "trigger", "-i", "schlüssel")

    done = subprocess.run(
        [*[os.fsencode(word) for word in argv], b"-d", "größe ".encode() + b"caf\xe9"],
        env={"LC_ALL": locale, "PATH": os.environ["PATH"]},
        capture_output=True,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == "Event processed. Incident Key: schlüssel\n"
    assert bodies()[0]["description"] == "größe café"


def test_a_full_standard_output_changes_nothing_either(run, bodies, monkeypatch):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)

        assert run(*TRIGGER) == (0, "", "")
    assert run(*TRIGGER) == (0, "", "")  # the stream is closed by now
    monkeypatch.setattr(sys, "stdout", None)
    assert run(*TRIGGER) == (0, "", "")
    assert len(bodies()) == 3


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_output_that_cannot_be_written_does_not_take_an_accepted_event_back(
    run, bodies, tmp_path, redirection
):
    words = " ".join(f"'{word}'" for word in command(tmp_path, *TRIGGER))

    done = subprocess.run(["sh", "-c", f"{words} {redirection}"], capture_output=True)

    assert (done.returncode, done.stderr) == (0, b"")
    assert len(bodies()) == 1


def test_the_incident_key_printed_is_the_one_sent(run, bodies):
    _, out, _ = run(*TRIGGER, "-i", "caf\udce9")

    assert out == "Event processed. Incident Key: café\n"
    assert bodies()[0]["incident_key"] == "café"


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_that_cannot_be_printed_is_no_failure(tmp_path, option, redirection):
    words = " ".join(command(tmp_path, option))

    done = subprocess.run(["sh", "-c", f"{words} {redirection}"], capture_output=True)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
def test_a_usage_error_that_cannot_be_printed_exits_2(tmp_path, redirection):
    words = " ".join(command(tmp_path, "--no-such-option"))

    done = subprocess.run(["sh", "-c", f"{words} {redirection}"], capture_output=True)

    assert (done.returncode, done.stdout) == (2, b"")


def test_the_config_file_may_be_named_by_the_environment(run, bodies, tmp_path):
    done = subprocess.run(
        [sys.executable, "agent/bin/pd-send", *TRIGGER],
        env={"PDAGENT_CONFIG": f"{tmp_path}/pdagent.conf"},
        capture_output=True,
    )

    assert done.returncode == 0
    assert len(bodies()) == 1


def test_an_ordinary_user_runs_the_installed_command(run, bodies, installed, tmp_path):
    done = subprocess.run(
        [
            installed / "bin" / "pd-send",
            "--config",
            f"{tmp_path}/pdagent.conf",
            *TRIGGER,
            "-i",
            "k",
        ],
        capture_output=True,
        text=True,
        **AS_NOBODY,
    )

    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "Event processed. Incident Key: k\n",
        "",
    )
    assert bodies()[0]["incident_key"] == "k"
