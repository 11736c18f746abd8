"""pd-queue beside a running and a stopped daemon: promises 4, 11, 12 and 13."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import time
from typing import Any

import pytest

from pdagent.event import Event
from pdagent.outqueue import layout
from tests.emulator.fixtures import RunningEmulator
from tests.host import Host
from tests.neighbours import AS_NOBODY, SYSTEM_PYTHON, open_to_all

KEY = "a" * 28 + "wxyz"
OTHER = "b" * 28 + "0002"


def event(action: str, alert: str = "disk", key: str = KEY) -> Event:
    return Event.v1(key, action, description="d", incident_key=alert)


def queue(host: Host, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return host.run("pd-queue", *arguments, **options)


def as_nobody(host: Host, installed: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    open_to_all(host.directory)
    command = [SYSTEM_PYTHON, installed / "bin" / "pd-queue", *arguments, "--config", host.config]
    return subprocess.run(command, capture_output=True, text=True, **AS_NOBODY)


def first_words(ended: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    return ended.returncode, ended.stdout, ended.stderr.partition("\n")[0]


def on_terminal(host: Host, *arguments: str, answer: str = "") -> str:
    """Run pd-queue on a terminal and return all that it shows."""
    main, side = pty.openpty()
    process = subprocess.Popen(
        host.command("pd-queue", *arguments), stdin=side, stdout=side, stderr=side
    )
    os.close(side)
    os.write(main, answer.encode())
    shown = b""
    while True:
        try:
            piece = os.read(main, 4096)
        except OSError:  # the other side is closed: Linux says EIO
            break
        shown += piece
    process.wait(timeout=30)
    os.close(main)
    return shown.decode().replace("\r\n", "\n")


@pytest.fixture
def refused(host: Host, emulator: RunningEmulator) -> Host:
    """A host with a stopped daemon and one event in err."""
    emulator.fault("status", status=400, body={"status": "invalid event", "message": "no good"})
    host.put(event("trigger"))
    host.start()
    host.until(lambda: host.events("err"))
    host.stop()
    emulator.clear_faults()
    return host


# --- status


def test_nothing_to_report(host: Host) -> None:
    shown = queue(host, "status")
    assert (shown.stdout, shown.returncode) == ("Nothing to report.\n", 0)


def test_the_table_is_that_of_1_x_byte_for_byte(host: Host) -> None:
    for number in range(3):
        host.put(event("trigger", alert=str(number), key="team-a-key-0001"))
    for number in range(12):
        (host.outqueue / "suc" / layout.name(number, "team-a-key-0001")).touch()
    (host.outqueue / "pdq" / "badly named").touch()
    assert queue(host, "status").stdout == (
        "Service Key                           Pending   Success  In Error\n"
        "=================================================================\n"
        "team-a-key-0001                             3        12         0\n"
    )


def test_status_of_one_key(host: Host) -> None:
    host.put(event("trigger"))
    host.put(event("trigger", key=OTHER))
    assert OTHER not in queue(host, "status", "-k", KEY).stdout
    assert queue(host, "status", "--service-key", "none").stdout == "Nothing to report.\n"


def test_status_as_json(host: Host, emulator: RunningEmulator) -> None:
    emulator.fault("status", status=503, times=None)
    host.start()
    host.put(event("trigger"))
    host.until(lambda: host.state()["lanes"] and host.state()["lanes"][0]["reason"])
    found = json.loads(queue(host, "status", "--json").stdout)
    assert found["keys"] == [{"key": KEY, "pending": 1, "success": 0, "error": 0}]
    assert found["totals"] == {"pending": 1, "success": 0, "error": 0}
    assert found["daemon"]["lanes"][0]["reason"] == "http_503"


def test_a_terminal_shows_more(host: Host, emulator: RunningEmulator) -> None:
    emulator.throttle(0)
    host.start()
    host.put(event("trigger"))
    host.until(lambda: host.state()["lanes"] and host.state()["lanes"][0]["attempts"])
    queue(host, "hold", "-k", OTHER)
    shown = on_terminal(host, "status")
    assert "1 key                                       1         0         0\n" in shown
    assert "Oldest pending event: " in shown
    assert "...wxyz throttled: throttled, next " in shown
    assert "Held: ...0002" in shown


def test_a_terminal_shows_why_nothing_is_sent(host: Host) -> None:
    host.configure(events_api_url="https://localhost:1")
    host.start()
    host.put(event("trigger"))
    host.until(lambda: not host.state()["network"]["up"])
    assert "PagerDuty is out of reach since" in on_terminal(host, "status")
    host.stop()
    shown = on_terminal(host, "status")
    assert "pdagentd is not running: nothing is sent\n" in shown
    assert "out of reach" not in shown


def test_watch_goes_on_until_it_is_interrupted(host: Host) -> None:
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        queue(host, "status", "--watch", timeout=10)
    assert (caught.value.stdout or b"").count(b"Nothing to report.") >= 1


def test_without_rights_it_says_what_to_do(host: Host, installed: Any) -> None:
    shown = as_nobody(host, installed, "status")
    assert shown.returncode == 1
    assert shown.stderr.startswith(f"Can't read directory {host.outqueue}/pdq, please check perm")


@pytest.mark.parametrize("scope", [(), ("-k", KEY)])
def test_without_rights_nothing_is_said_to_be_held_or_released(
    host: Host, installed: Any, scope: tuple[str, ...]
) -> None:
    marker = host.directory / "data" / "db" / layout.hold_name(*scope[1:])
    barred = (1, "", f"Can't change {marker}, please check permissions")
    assert first_words(as_nobody(host, installed, "hold", *scope)) == barred
    queue(host, "hold", *scope)
    assert first_words(as_nobody(host, installed, "release", *scope)) == barred
    assert marker.exists()


# --- list and show


def test_list_says_why_an_event_is_in_err(refused: Host) -> None:
    (name,) = refused.events("err")
    shown = queue(refused, "list").stdout
    assert shown.startswith("error   20")
    assert shown.endswith(f"{name}  no good\n")
    found = json.loads(queue(refused, "list", "--json", "--state", "error").stdout)
    assert found["events"][0]["reason"] == "no good"
    assert queue(refused, "list", "--state", "pending").stdout == ""
    assert queue(refused, "list", "--older-than", "1h").stdout == ""


def test_a_line_of_the_list_fits_the_terminal(host: Host) -> None:
    name = host.put(event("trigger", key="0123456789abcdef" * 2))
    (line,) = queue(host, "list").stdout.splitlines()
    assert re.fullmatch(rf"pending 20\d\d-\d\d-\d\dT\d\d:\d\dZ {name}", line)
    assert len(line) < 80


def test_show_masks_keys_unless_told_otherwise(refused: Host) -> None:
    (name,) = refused.events("err")
    masked = queue(refused, "show", name).stdout
    assert KEY not in masked
    found = json.loads(masked)
    assert found["body"]["service_key"] == "...wxyz"
    assert (found["state"], found["attempts"]) == ("error", 1)
    assert found["last_answer"]["status"] == 400
    assert json.loads(queue(refused, "show", "--show-keys", name).stdout)["name"] == name


def test_show_takes_the_name_that_the_log_has(refused: Host) -> None:
    (name,) = refused.events("err")
    in_log = name.replace(KEY, "...wxyz")
    assert in_log in refused.log()
    assert json.loads(queue(refused, "show", "--show-keys", in_log).stdout)["name"] == name


def test_show_of_a_pending_event_tells_what_it_waits_for(
    host: Host, emulator: RunningEmulator
) -> None:
    emulator.fault("status", status=503, times=None)
    host.start()
    first, second = host.put(event("trigger")), host.put(event("resolve"))
    host.until(lambda: host.state()["lanes"] and host.state()["lanes"][0]["attempts"])
    found = json.loads(queue(host, "show", first).stdout)
    assert found["attempts"] >= 1
    assert found["last_answer"] == "http_503"
    assert (found["ahead"], found["lane"]["state"]) == (0, "backing_off")
    found = json.loads(queue(host, "show", second).stdout)
    assert (found["attempts"], found["last_answer"], found["ahead"]) == (0, None, 1)
    assert found["lane"]["reason"] == "http_503"


def test_show_of_nothing(host: Host) -> None:
    shown = queue(host, "show", "nothing.txt")
    assert (shown.returncode, shown.stderr) == (
        1,
        "pd-queue: no event nothing.txt; see pd-queue list\n",
    )
    assert KEY not in queue(host, "show", KEY).stderr


# --- retry


@pytest.mark.parametrize("arguments", [("-a",), ("-k", KEY)])
def test_retry_beside_a_running_daemon(
    refused: Host, emulator: RunningEmulator, arguments: tuple[str, ...]
) -> None:
    refused.start()
    assert queue(refused, "retry", *arguments).stdout == "1 event(s) set up for retry.\n"
    emulator.wait_for(1)
    refused.until(lambda: refused.names("err") == [])


def test_retry_never_opens_an_incident_that_is_over(
    refused: Host, emulator: RunningEmulator
) -> None:
    refused.put(event("resolve"))
    refused.start()
    refused.until_settled()
    shown = queue(refused, "retry", "-a").stdout
    assert shown.startswith("0 event(s) set up for retry.\n1 event(s) left in err: a newer resolve")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "A specific service key or a flag for all keys required"),
        (("-a", "-k", KEY), "Only one of specific service key or flag for all keys required"),
    ],
)
def test_retry_wants_one_key_or_all(host: Host, arguments: tuple[str, ...], message: str) -> None:
    shown = queue(host, "retry", *arguments)
    assert shown.returncode == 2
    assert message in shown.stderr


# --- purge


def test_purge_asks_on_a_terminal(host: Host) -> None:
    host.put(event("trigger"))
    shown = on_terminal(host, "purge", "-k", KEY, answer="n\n")
    assert "1 event(s) to remove: 1 pending of ...wxyz\nRemove them? [y/N]" in shown
    assert len(host.names("pdq")) == 1
    assert "1 event(s) removed." in on_terminal(host, "purge", "-a", answer="y\n")
    assert host.names("pdq") == []


def test_purge_without_a_terminal_wants_yes(host: Host) -> None:
    host.put(event("trigger"))
    shown = queue(host, "purge", "-a", stdin=subprocess.DEVNULL)
    assert shown.returncode == 1
    assert "say --yes" in shown.stderr
    assert len(host.names("pdq")) == 1


def test_purge_goes_round_what_a_neighbour_left(host: Host) -> None:
    (host.outqueue / "pdq" / layout.name(0, KEY) / "full").mkdir(parents=True)
    host.put(event("trigger"))
    assert "1 event(s) removed." in queue(host, "purge", "-a", "--yes").stdout
    assert host.names("pdq") == [layout.name(0, KEY)]


def test_purge_by_key_age_and_state(host: Host) -> None:
    old = layout.name(1_500_000_000_000_000, KEY)
    for directory in ("pdq", "suc", "err"):
        (host.outqueue / directory / old).write_bytes(event("trigger").encode())
    young = host.put(event("trigger"))
    assert "0 event(s)" in queue(host, "purge", "-k", OTHER, "--yes").stdout
    dry = queue(host, "purge", "-k", KEY, "--older-than", "1h", "--dry-run").stdout
    assert dry == "1 event(s) to remove: 1 pending of ...wxyz\n"
    assert host.names("pdq") == [old, young]
    queue(host, "purge", "-k", KEY, "--older-than", "1h", "--yes")
    assert host.names("pdq") == [young]
    queue(host, "purge", "-a", "--state", "success", "--state", "error", "--yes")
    assert (host.names("suc"), host.names("err"), host.names("pdq")) == ([], [], [young])


def test_purge_beside_a_running_daemon(host: Host, emulator: RunningEmulator) -> None:
    emulator.fault("status", status=503, times=None)
    host.start()
    for number in range(20):
        host.put(event("trigger", alert=str(number)))
    queue(host, "purge", "-a", "--yes")
    emulator.clear_faults()
    host.put(event("trigger", alert="after"))
    host.until(lambda: "after" in [event["dedup_key"] for event in emulator.events()])
    assert len(emulator.events()) <= 2  # one may have been under way
    host.until(lambda: host.state()["pending"]["count"] == 0)


# --- hold and release


def test_hold_and_release_beside_a_running_daemon(host: Host, emulator: RunningEmulator) -> None:
    host.start()
    assert queue(host, "hold").stdout.startswith("Held: all keys.")
    host.until(lambda: host.state()["held"])
    host.put(event("trigger"))
    time.sleep(1.5)
    assert emulator.events() == []
    assert queue(host, "release").stdout == "Released: all keys.\n"
    emulator.wait_for(1)
    assert queue(host, "release").stdout == "Nothing was held.\n"


def test_a_held_key_holds_no_other(host: Host, emulator: RunningEmulator) -> None:
    queue(host, "hold", "-k", KEY)
    host.start()
    host.put(event("trigger"))
    host.put(event("trigger", alert="other", key=OTHER))
    assert [sent["key"] for sent in emulator.wait_for(1)] == [OTHER]
    assert host.state()["held_keys"] == ["...wxyz"]
    queue(host, "release", "-k", KEY)
    assert len(emulator.wait_for(2)) == 2


# --- errors


def test_a_reader_who_has_seen_enough_is_no_error(host: Host) -> None:
    for number in range(2000):
        (host.outqueue / "suc" / layout.name(number, KEY)).touch()
    command = " ".join(host.command("pd-queue", "list")) + " | head -n 1"
    shown = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert shown.stderr == ""
    assert shown.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("redirection", "code", "said"),
    [
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">&- 2>&- <&-", 0, ""),
        (">/dev/full", 1, "pd-queue: standard output: No space left on device\n"),
        ("--help >/dev/full", 0, ""),
        ("--no-such-option 2>&-", 2, ""),
    ],
)
def test_streams_that_cannot_be_written_are_no_traceback(
    host: Host, redirection: str, code: int, said: str
) -> None:
    command = " ".join([*host.command("pd-queue", "status"), redirection])
    (host.outqueue / "suc" / layout.name(1, KEY)).touch()
    shown = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert (shown.returncode, shown.stderr) == (code, said)


def test_names_that_the_locale_cannot_write_are_no_traceback(host: Host) -> None:
    (host.outqueue / "pdq" / "1_sch\u00fcssel.txt").touch()
    (host.outqueue / "pdq" / "2_\udcff.txt").touch()
    shown = queue(host, "list", env={"LC_ALL": "C", "PYTHONUTF8": "0", "PATH": os.environ["PATH"]})
    assert (shown.returncode, shown.stderr) == (0, "")
    assert len(shown.stdout.splitlines()) == 1


def test_no_command_is_a_usage_error_as_in_1_x(host: Host) -> None:
    shown = queue(host)
    assert shown.returncode == 2
    assert "error: too few arguments" in shown.stderr


def test_a_broken_configuration_is_said_in_words(host: Host) -> None:
    host.config.write_text("nonsense")
    shown = queue(host, "status")
    assert shown.returncode == 1
    assert shown.stderr.startswith("Error loading config:")
    assert shown.stderr.endswith("Agent will now quit\n")


def test_a_missing_queue_is_said_in_words(host: Host) -> None:
    host.configure(data_dir=host.directory / "nowhere")
    shown = queue(host, "status")
    assert shown.returncode == 1
    assert shown.stderr == (
        f"pd-queue: no {host.directory}/nowhere/outqueue/pdq:"
        " start pdagent once, or name its --config\n"
    )
