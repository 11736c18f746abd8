"""What must be true before the daemon works: promises 11, 12 and 14."""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

import pdagent.commands.daemon as command
from pdagent import daemon, startup
from pdagent.outqueue import layout
from pdagent.settings import Settings
from pdagent.startup import StartError
from tests.neighbours import NOBODY


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings()
    made.data_dir, made.run_dir = str(tmp_path / "data"), str(tmp_path / "run")
    return made


def test_missing_directories_are_made(settings: Settings) -> None:
    startup.make_directories(settings)
    for path, mode in layout.MODES.items():
        found = os.stat(os.path.join(settings.data_dir, path)).st_mode
        assert stat.S_IMODE(found) == mode
    assert stat.S_IMODE(os.stat(settings.run_dir).st_mode) == 0o755
    startup.make_directories(settings)


def test_a_file_in_the_place_of_a_directory_is_said(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(StartError, match="state-dirs"):
        startup.make_directories(settings)


def test_data_of_nobody_yet_may_be_anybodys(settings: Settings) -> None:
    assert startup.check_user(settings) == (os.geteuid() == 0)


def test_data_that_cannot_be_looked_at_is_said(settings: Settings, tmp_path: Path) -> None:
    settings.data_dir = str(tmp_path / "file" / "data")
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="Not a directory"):
        startup.check_user(settings)


@pytest.mark.parametrize("before", ["nothing", "a FIFO", "a file", "a link"])
def test_the_wake_fifo_is_one_whatever_was_there(tmp_path: Path, before: str) -> None:
    path = tmp_path / "wake"
    {
        "nothing": lambda: None,
        "a FIFO": lambda: os.mkfifo(path, 0o600),
        "a file": lambda: path.write_text("x"),
        "a link": lambda: path.symlink_to("/etc/passwd"),
    }[before]()
    fd = startup.make_wake_fifo(str(path))
    try:
        mode = os.lstat(path).st_mode
        assert stat.S_ISFIFO(mode)
        assert stat.S_IMODE(mode) == layout.WAKE_MODE
        os.write(fd, b"\n")
        assert os.read(fd, 10) == b"\n"
    finally:
        os.close(fd)


def test_the_answers_may_be_entered_not_listed(tmp_path: Path) -> None:
    path = startup.make_answers_directory(str(tmp_path))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o711


def test_a_wake_fifo_of_another_user_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "wake"
    os.mkfifo(path)
    os.chown(path, NOBODY, NOBODY)
    os.close(startup.make_wake_fifo(str(path)))
    assert path.stat().st_uid == os.geteuid()


@pytest.mark.parametrize(
    "make",
    [
        lambda path: startup.make_answers_directory(str(path)),
        lambda path: startup.make_wake_fifo(str(path / "wake")),
        lambda path: startup.agent_id(str(path / "agent_id.txt")),
        lambda path: startup.become_consumer(str(path)),
    ],
    ids=["answers", "wake FIFO", "agent id", "lock"],
)
def test_what_cannot_be_made_is_said(
    tmp_path: Path, as_nobody: Callable[..., object], make: Callable[[Path], object]
) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(StartError, match=rf"{tmp_path}/.*: Permission denied. .*state-dirs"):
        as_nobody(lambda: make(tmp_path))


def test_the_agent_id_of_1_x_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "agent_id.txt"
    text = str(uuid.uuid4())
    path.write_text(text + "\n")
    assert startup.agent_id(str(path)) == text


@pytest.mark.parametrize("text", ["", "\n", "not a uuid", "x" * 500])
def test_a_bad_agent_id_is_not_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "agent_id.txt"
    path.write_text(text)
    with pytest.raises(StartError, match="Bad agent id"):
        startup.agent_id(str(path))
    assert path.read_text() == text


def test_an_agent_id_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "agent_id.txt"
    path.write_bytes(b"\xff" * 36)
    with pytest.raises(StartError, match="Cannot read the agent id"):
        startup.agent_id(str(path))


def test_the_lock_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / layout.LOCK).symlink_to("/etc/passwd")
    with pytest.raises(StartError, match=layout.LOCK):
        startup.become_consumer(str(tmp_path))


def test_the_lock_says_who_has_it(tmp_path: Path) -> None:
    lock = startup.become_consumer(str(tmp_path))
    pid = os.fork()
    if pid == 0:  # fcntl's locks are a process's: only another one can be refused
        try:
            startup.become_consumer(str(tmp_path), seconds=0.1)
        except StartError as exc:
            os._exit(7 if f"(pid {os.getppid()})" in str(exc) else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    lock.close()
    startup.become_consumer(str(tmp_path)).close()


def test_a_defect_that_ends_the_daemon_stands_in_its_log(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_daemon: daemon.Daemon) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(daemon.Daemon, "run", broken)
    startup.make_directories(settings)
    assert command._work(settings, "", str(uuid.uuid4()), lambda: None) == 1
    assert "pdagentd broke down" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_defect_beside_the_loop_stands_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    daemon._logged(lambda: 1 // 0)  # type: ignore[arg-type,return-value]
    assert "MainThread broke down" in caplog.text
    assert "ZeroDivisionError" in caplog.text
