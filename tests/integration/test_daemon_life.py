"""Starts, stops, one consumer, signals, systemd: promises 2, 12 and 14."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pdagent.event import Event
from tests.emulator.fixtures import Certificates, RunningEmulator
from tests.host import BIN, Host
from tests.neighbours import AS_NOBODY, NOBODY, SYSTEM_PYTHON, open_to_all

KEY = "a" * 28 + "0001"
OTHER = "b" * 28 + "0002"


def trigger(number: int, key: str = KEY) -> Event:
    return Event.v1(key, "trigger", description=f"event {number}", incident_key=f"i{number}")


def daemon(host: Host, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pdagentd where it is expected to end by itself."""
    return host.run("pdagentd", *arguments)


# --- stopping


def test_term_finishes_the_request_in_flight(host: Host, emulator: RunningEmulator) -> None:
    emulator.fault("slow", delay=1.5)
    host.start()
    host.put(trigger(1))
    emulator.wait_for_requests(1)
    assert host.stop() == 0
    assert len(host.events("suc")) == 1
    assert "*** pdagentd exiting normally!" in host.log()


def test_term_ends_within_seconds_whatever_pagerduty_does(
    host: Host, emulator: RunningEmulator
) -> None:
    emulator.fault("slow", delay=60)
    host.start()
    host.put(trigger(1))
    emulator.wait_for_requests(1)
    begun = time.monotonic()
    assert host.stop() == 0
    assert time.monotonic() - begun < 25
    assert len(host.events("pdq")) == 1


def test_kill_loses_nothing(host: Host, emulator: RunningEmulator) -> None:
    emulator.throttle(None)
    names = [host.put(trigger(number)) for number in range(200)]
    for _ in range(5):
        host.start(wait=False)
        time.sleep(0.5)
        host.kill()
    host.start()
    host.until_settled()
    assert host.names("suc") == names
    sent = [event["dedup_key"] for event in emulator.events()]
    assert sorted(set(sent)) == sorted(f"i{number}" for number in range(200))
    assert len(sent) <= 200 + 5


# --- one consumer


def test_a_second_daemon_does_not_start(host: Host) -> None:
    host.start()
    second = daemon(host, "-f")
    assert second.returncode == 1
    assert second.stderr == (
        f"Another pdagentd (pid {host.state()['pid']}) sends from {host.outqueue}. Stop it first.\n"
    )


def test_what_a_killed_daemon_leaves_behind_blocks_no_start(host: Host) -> None:
    host.start()
    host.kill()
    (host.directory / "run" / "pdagentd.pid").write_text(f"{os.getpid()}\n")
    host.start()
    assert host.stop() == 0


def test_the_lock_is_the_one_of_1_x(host: Host) -> None:
    host.start()
    with (host.outqueue / "dequeue.lock").open("r+") as file, pytest.raises(BlockingIOError):
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_lock_file_stays_so_that_all_daemons_lock_the_same(host: Host) -> None:
    host.start()
    lock = host.outqueue / "dequeue.lock"
    with lock.open() as first:  # held open, so that its inode is not used again
        for end in (host.stop, host.kill):
            end()
            host.start()
            assert os.path.samestat(os.fstat(first.fileno()), lock.stat())


def test_the_guides_own_rm_is_safe_while_it_runs(host: Host, emulator: RunningEmulator) -> None:
    emulator.fault("status", status=503, times=None)
    host.start()
    for number in range(100):
        host.put(trigger(number))
    subprocess.run(f"rm -vf {host.outqueue}/pdq/* {host.outqueue}/tmp/*", shell=True, check=True)
    emulator.clear_faults()
    host.put(trigger(1000))
    host.until(lambda: "i1000" in [event["dedup_key"] for event in emulator.events()])
    assert len(emulator.events()) <= 2  # one may have been under way
    host.until(lambda: host.state()["pending"]["count"] == 0)


# --- starting


def test_in_the_background_it_returns_when_ready(host: Host, emulator: RunningEmulator) -> None:
    host.configure(log_file=host.directory / "daemon.log")
    started = daemon(host)
    assert (started.returncode, started.stderr) == (0, "")
    pid_file = host.directory / "run" / "pdagentd.pid"
    pid = int(pid_file.read_text())
    try:
        assert stat.S_IMODE(pid_file.stat().st_mode) == 0o644  # who asks for the status reads it
        host.put(trigger(1))
        emulator.wait_for(1)
        again = daemon(host)
        assert again.returncode == 1
        assert "Another pdagentd" in again.stderr
        assert int(pid_file.read_text()) == pid
    finally:
        os.kill(pid, signal.SIGTERM)
    host.until(lambda: not pid_file.exists())
    log = (host.directory / "daemon.log").read_text()
    assert f"*** pdagentd starting! pid={pid}" in log
    assert "*** pdagentd exiting normally!" in log


@pytest.fixture
def background(host: Host) -> Iterator[Callable[..., int]]:
    """Start the daemon in the background by a command of the test's own; returns its exit code."""
    host.configure(log_file=host.log_path)
    pid_file = host.directory / "run" / "pdagentd.pid"

    def start(*command: object, **options: object) -> int:
        return subprocess.run(command, check=False, timeout=60, **options).returncode

    yield start
    if pid_file.exists():
        os.kill(int(pid_file.read_text()), signal.SIGTERM)
        host.until(lambda: not pid_file.exists())


def test_closed_streams_are_no_obstacle(host: Host, background: Callable[..., int]) -> None:
    closing = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")
    assert background(*closing, *host.command("pdagentd")) == 0
    host.until(lambda: host.state().get("pid"))


def test_a_relative_path_of_the_configuration_holds_in_the_background(
    host: Host, background: Callable[..., int]
) -> None:
    *command, path = host.command("pdagentd")
    assert background(*command, host.config.name, cwd=host.directory) == 0
    os.kill(host.until(lambda: host.state().get("pid")), signal.SIGHUP)
    host.until(lambda: "Configuration read again" in host.log())
    assert host.state()["config_file"] == str(host.config) == path


@pytest.mark.parametrize("option", [(), ("-f",)])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ca_file": "{dir}/missing.pem"}, "missing.pem: No such file or directory"),
        ({"ca_file": "{dir}/pdagent.conf"}, "pdagent.conf: no certificate in it"),
        ({"send_interval_secs": "ten"}, "Bad send_interval_secs in config file"),
        ({"log_file": "/nowhere/pdagentd.log"}, "Can't write to the log /nowhere/pdagentd.log"),
    ],
    ids=["no CA file", "empty CA file", "bad value", "no log directory"],
)
def test_what_prevents_a_start_is_said_in_words(
    host: Host, option: tuple[str, ...], change: dict[str, str], said: str
) -> None:
    host.configure(**{name: value.format(dir=host.directory) for name, value in change.items()})
    ended = daemon(host, *option)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_missing_configuration_is_said_as_in_1_x(host: Host) -> None:
    host.config.unlink()
    assert daemon(host, "-f").stderr.startswith(
        f"Unable to read the config file at: {host.config}\n"
    )


def test_a_relative_configuration_from_a_directory_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    command = 'cd gone && rmdir ../gone && exec "$@"'
    daemon = (SYSTEM_PYTHON, BIN / "pdagentd", "--config", "pdagent.conf")
    ended = subprocess.run(
        ["sh", "-c", command, "sh", *daemon], cwd=tmp_path, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("Unable to read the config file at: pdagent.conf\n(there is no")


def test_a_bad_agent_id_is_said_and_not_replaced(host: Host) -> None:
    path = host.directory / "data" / "agent_id.txt"
    path.write_text("not a uuid\n")
    ended = daemon(host, "-f")
    assert ended.returncode == 1
    assert f"Bad agent id in {path}: 'not a uuid'" in ended.stderr
    assert path.read_text() == "not a uuid\n"


def test_the_agent_id_is_made_once_and_kept(host: Host) -> None:
    path = host.directory / "data" / "agent_id.txt"
    host.start()
    first = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o644
    host.stop()
    host.start()
    assert (path.read_text(), host.state()["agent_id"]) == (first, first.strip())


def test_missing_directories_are_made(host: Host, emulator: RunningEmulator) -> None:
    subprocess.run(["rm", "-r", host.directory / "data", host.directory / "run"], check=True)
    host.start()
    host.put(trigger(1))
    emulator.wait_for(1)


def test_root_does_not_run_with_the_data_of_another_user(host: Host) -> None:
    os.chown(host.directory / "data", NOBODY, -1)
    ended = daemon(host, "-f")
    assert (ended.returncode, ended.stderr) == (
        1,
        "Agent should not be run as root. Use: sudo service pdagent <command>\n",
    )


def test_root_with_its_own_data_is_warned(host: Host) -> None:
    host.start()
    assert f"Running as root, as root owns {host.directory}/data" in host.log()


def test_a_wrong_user_is_told_what_he_cannot_write(host: Host, installed: Path) -> None:
    open_to_all(host.directory)
    os.chown(host.directory / "data", NOBODY, NOBODY)
    command = [SYSTEM_PYTHON, installed / "bin" / "pdagentd", "-f", "--config", host.config]
    ended = subprocess.run(command, capture_output=True, text=True, **AS_NOBODY)
    assert ended.returncode == 1
    assert f"Can't read and write {host.outqueue}" in ended.stderr
    assert "Agent may be running as the wrong user." in ended.stderr


def test_a_queue_of_1_x_is_taken_over(host: Host, emulator: RunningEmulator) -> None:
    body = (
        '{"agent":{"agent_id":null,"queued_at":"2024-03-04T03:02:01Z","queued_by":"pd-send"},'
        f'"description":"old","details":{{}},"event_type":"trigger","service_key":"{KEY}"}}'
    )
    # Minutes ago: clean-up takes an event of last week as soon as it was delivered.
    name = f"{int((time.time() - 600) * 1e6)}_{KEY}.txt"
    (host.outqueue / "pdq" / name).write_text(body)
    db = host.directory / "data" / "db"
    (db / "aggregates").write_text(
        '{"failed_events_count": 1, "started_on": "2023-01-01T00:00:00Z",'
        ' "successful_events_count": 41}'
    )
    (db / "backoff").write_text(
        f'{{"attempts": {{"{OTHER}": 3}}, "next_retries": {{"{OTHER}": 1}}}}'
    )
    host.start()
    assert emulator.wait_for(1)[0]["body"] == json.loads(body)
    host.until(lambda: host.names("suc") == [name])
    host.stop()
    kept = json.loads((db / "aggregates").read_text())
    assert kept == {
        "started_on": "2023-01-01T00:00:00Z",
        "successful_events_count": 42,
        "failed_events_count": 1,
    }


# --- configuration and certificates while it runs


def test_hup_reads_the_configuration_again(host: Host, emulator: RunningEmulator) -> None:
    good = emulator.url
    host.configure(events_api_url="https://localhost:1")
    host.start()
    host.put(trigger(1))
    host.until(lambda: host.state()["counters"]["retried"].get("refused"))
    host.configure(events_api_url=good)
    host.daemon.send_signal(signal.SIGHUP)
    emulator.wait_for(1)
    assert "Configuration read again" in host.log()


def test_a_broken_configuration_leaves_the_old_one_in_force(
    host: Host, emulator: RunningEmulator
) -> None:
    host.start()
    good = host.config.read_text()
    host.config.write_text("[Main]\nsend_interval_secs = never\n")
    host.daemon.send_signal(signal.SIGHUP)
    host.until(lambda: "Keeping the old configuration: Bad send_interval_secs" in host.log())
    host.config.write_text(good)  # for the submit, which reads it too
    host.put(trigger(1))
    emulator.wait_for(1)


def test_what_is_suspicious_in_the_new_configuration_is_said(host: Host) -> None:
    host.start()
    host.configure(worker=3)
    host.daemon.send_signal(signal.SIGHUP)
    host.until(lambda: "unknown key worker; did you mean workers?" in host.log())


def test_a_shorter_pause_between_clean_ups_counts_at_once(host: Host) -> None:
    host.start()
    host.until(lambda: host.state()["cleanup"]["last_at"])
    host.configure(cleanup_interval_secs=1)
    host.daemon.send_signal(signal.SIGHUP)
    host.until(lambda: host.log().count("Cleaned up:") > 2)


def test_directories_do_not_move_under_a_running_daemon(host: Host) -> None:
    host.start()
    host.configure(run_dir=host.directory / "elsewhere")
    host.daemon.send_signal(signal.SIGHUP)
    host.until(lambda: "run_dir changed: restart the agent to use it" in host.log())


def test_a_changed_ca_file_is_read_without_a_restart(
    make_host: Callable[..., Host],
    emulator: RunningEmulator,
    certificates: Certificates,
    tmp_path: Path,
) -> None:
    ca_file = tmp_path / "ca.pem"
    stranger = Path(certificates.issue_untrusted("localhost").cert)
    ca_file.write_bytes(stranger.read_bytes())
    host = make_host(events_api_url=emulator.url, ca_file=ca_file)
    host.start()
    host.put(trigger(1))
    host.until(lambda: host.state()["counters"]["retried"].get("tls_verify"))
    ca_file.write_text("")
    host.until(lambda: "Keeping the old certificates" in host.log())
    ca_file.write_bytes(Path(certificates.ca_file).read_bytes())
    emulator.wait_for(1)


# --- systemd


def test_systemd_is_told_how_it_goes(host: Host, emulator: RunningEmulator, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "600000"}
        host.start(env=env)
        host.put(trigger(1))
        heard = ""
        while "STATUS=0 pending, 1 sent" not in heard or heard.count("WATCHDOG=1") < 3:
            heard += manager.recv(4096).decode() + "\n"
        assert "READY=1\nSTATUS=0 pending, 0 sent" in heard
        host.stop()
        while "STOPPING=1" not in heard:
            heard += manager.recv(4096).decode() + "\n"


def test_a_manager_that_went_away_is_no_reason_to_stop(
    host: Host, emulator: RunningEmulator, tmp_path: Path
) -> None:
    host.start(env={"NOTIFY_SOCKET": str(tmp_path / "nobody listens")})
    host.put(trigger(1))
    emulator.wait_for(1)
