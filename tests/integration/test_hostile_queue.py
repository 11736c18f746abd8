"""Whatever a neighbour puts first into the queue, the next event goes out: promise 11.

The neighbour is another user, as on a real host; the daemon is root's with a queue of its
own, and test_a_user_without_rights runs it as an ordinary user.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pdagent.event import Event
from pdagent.outqueue import layout
from tests.emulator.fixtures import RunningEmulator
from tests.host import Host
from tests.neighbours import NOBODY, SYSTEM_PYTHON, open_to_all

KEY = "a" * 28 + "0001"
FIRST = layout.name(0, KEY)
FOREVER = 9_999_999_999_999_999
BODY = Event.v1(KEY, "trigger", description="d", incident_key="neighbour").encode()
ANOTHER = Event.v1("b" * 32, "trigger", description="d", incident_key="forged").encode()

Call = Callable[[Callable[[], Any]], Any]


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"/proc/self/fd/{os.open(path.parent, os.O_PATH)}/{path.name}")


def make_unreadable(path: Path) -> None:
    path.write_bytes(BODY)
    path.chmod(0)


def make_huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def make_full_directory(path: Path) -> None:
    path.mkdir()
    (path / "file").touch()


def make_hard_link(path: Path) -> None:
    elsewhere = path.parents[1] / "tmp" / "elsewhere"
    elsewhere.write_bytes(BODY)
    os.link(elsewhere, path)
    os.link(elsewhere, path.with_name(layout.name(1, KEY)))


NEIGHBOURS: dict[str, Callable[[Path], object]] = {
    "a FIFO": os.mkfifo,
    "a socket": make_socket,
    "an empty directory": lambda path: path.mkdir(),
    "a full directory": make_full_directory,
    "a dangling link": lambda path: path.symlink_to("/nowhere"),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to a secret": lambda path: path.symlink_to("/etc/shadow"),
    "hard links": make_hard_link,
    "an unreadable file": make_unreadable,
    "a huge file": make_huge,
    "an empty file": lambda path: path.touch(),
    "a file that is no text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "an event of another key": lambda path: path.write_bytes(ANOTHER),
    "nested JSON": lambda path: path.write_bytes(b'{"service_key":' * 50_000),
}


@pytest.fixture
def neighbour(host: Host, as_nobody: Call) -> Call:
    open_to_all(host.directory)
    return as_nobody


def test_the_next_event_goes_out(host: Host, neighbour: Call, emulator: RunningEmulator) -> None:
    for number, make in enumerate(NEIGHBOURS.values()):
        path = host.outqueue / "pdq" / layout.name(2 * number, KEY)
        neighbour(lambda make=make, path=path: make(path))
    host.start()
    host.put(Event.v1(KEY, "trigger", description="good", incident_key="good"))
    sent = [event["dedup_key"] for event in emulator.wait_for(2)]
    assert sent == ["neighbour", "good"]  # to root even an unreadable event is one


@pytest.mark.parametrize("make", NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_each_of_them_is_out_of_the_way(
    host: Host, neighbour: Call, emulator: RunningEmulator, make: Callable[[Path], object]
) -> None:
    neighbour(lambda: make(host.outqueue / "pdq" / FIRST))
    name = host.put(Event.v1(KEY, "trigger", description="good", incident_key="good"))
    host.start()
    host.until(lambda: name in host.names("suc"))
    assert {event["dedup_key"] for event in emulator.events()} <= {"good", "neighbour"}
    assert FIRST not in host.names("pdq") or (host.outqueue / "pdq" / FIRST).is_dir()
    host.until(lambda: host.state()["pending"]["count"] == 0)


@pytest.mark.parametrize(
    "name", ["0", "README", "0_.txt", "\n_x.txt", "-rf", "0_\x1b[2J.txt", "x" * 255, "é_é.txt"]
)
def test_bad_names_are_set_aside(
    host: Host, neighbour: Call, emulator: RunningEmulator, name: str
) -> None:
    neighbour(lambda: (host.outqueue / "pdq" / name).write_bytes(BODY))
    host.start()
    host.put(Event.v1(KEY, "trigger", description="good", incident_key="good"))
    emulator.wait_for(1)
    host.until(lambda: not host.names("pdq"))
    assert "\x1b[2J" not in host.log()


def test_a_fifo_under_the_name_of_a_reasons_draft_blocks_nobody(
    host: Host, neighbour: Call, emulator: RunningEmulator
) -> None:
    fifo, strange = (host.outqueue / "pdq" / name for name in ("README.json.bak", "README"))
    neighbour(lambda: (os.mkfifo(fifo), fifo.chmod(0o666)))
    host.start()
    host.until(lambda: fifo.name in host.names("err"))
    neighbour(strange.touch)
    host.put(Event.v1(KEY, "trigger", description="good", incident_key="good"))
    emulator.wait_for(1)
    host.until(lambda: not host.names("pdq"))
    assert host.stop() == 0


def test_a_flood_of_bad_names_keeps_no_event_waiting(
    host: Host, neighbour: Call, emulator: RunningEmulator
) -> None:
    bad = [host.outqueue / "pdq" / f"bad-{number}" for number in range(20_000)]
    neighbour(lambda: [path.touch() for path in bad])
    host.start(wait=False)
    host.until(lambda: host.names("err"))
    host.put(Event.v1(KEY, "trigger", description="good", incident_key="good"))
    emulator.wait_for(1)
    assert len(host.names("pdq")) > 1000
    host.until(lambda: not host.names("pdq"))


def test_an_event_from_the_future_is_sent_and_stops_nobody(
    host: Host, neighbour: Call, emulator: RunningEmulator
) -> None:
    future = host.outqueue / "pdq" / layout.name(FOREVER, KEY)
    neighbour(lambda: future.write_bytes(BODY))
    host.put(Event.v1(KEY, "trigger", description="good", incident_key="good"))
    host.start()
    assert [event["dedup_key"] for event in emulator.wait_for(2)] == ["good", "neighbour"]


def test_the_reason_is_beside_what_is_set_aside(
    host: Host, neighbour: Call, emulator: RunningEmulator
) -> None:
    neighbour(lambda: os.mkfifo(host.outqueue / "pdq" / FIRST))
    host.start()
    host.until(lambda: FIRST in host.names("err"))
    reason = host.reason(FIRST)
    assert (reason["outcome"], reason["message"]) == ("set_aside", "a FIFO")
    answer = host.directory / "run" / "answers" / layout.reason_name(FIRST)
    assert json.loads(answer.read_text())["outcome"] == "set_aside"
    host.until(lambda: host.state()["counters"]["set_aside"] == 1)


def test_a_neighbour_can_neither_list_nor_remove_nor_replace(
    host: Host, neighbour: Call, emulator: RunningEmulator
) -> None:
    emulator.fault("status", status=503, times=None)
    host.start()
    name = host.put(Event.v1(KEY, "trigger", description="good", incident_key="good"))
    path = host.outqueue / "pdq" / name

    def attack(act: Callable[[], object]) -> None:
        with pytest.raises(PermissionError):
            neighbour(act)

    attack(lambda: os.listdir(path.parent))
    attack(lambda: path.read_bytes())
    attack(lambda: path.unlink())
    attack(lambda: path.rename(path.with_name(FIRST)))
    mine = path.with_name(layout.name(1, KEY))
    neighbour(lambda: mine.write_bytes(BODY))
    attack(lambda: mine.replace(path))
    attack(lambda: os.listdir(host.directory / "run" / "answers"))
    emulator.clear_faults()
    assert "good" in [event["dedup_key"] for event in emulator.wait_for(2)]


@contextmanager
def flood(fifo: Path) -> Iterator[None]:
    """Have a neighbour write to the FIFO as fast as it takes."""
    writer = subprocess.Popen(
        ["dd", "if=/dev/zero", f"of={fifo}", "bs=64k"],
        stderr=subprocess.DEVNULL, user=NOBODY, group=NOBODY, extra_groups=[],
    )  # fmt: skip
    try:
        yield
    finally:
        writer.kill()
        writer.wait()


def test_a_flooded_wake_fifo_starves_nobody(
    host: Host, neighbour: Call, emulator: RunningEmulator
) -> None:
    host.start()
    with flood(host.directory / "run" / "wake"):
        time.sleep(0.5)
        host.put(Event.v1(KEY, "trigger", description="good", incident_key="good"))
        emulator.wait_for(1)
        begun, ticks = time.monotonic(), cpu_ticks(host)
        time.sleep(2)
        share = (cpu_ticks(host) - ticks) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - begun)
    assert share < 0.8
    assert host.stop() == 0


def test_a_flooded_wake_fifo_fills_no_log_when_the_queue_is_gone(
    host: Host, neighbour: Call
) -> None:
    host.start()
    (host.outqueue / "pdq").rmdir()
    with flood(host.directory / "run" / "wake"):
        host.until(lambda: "Cannot list the queue" in host.log())
        before = host.log().count("Cannot list the queue")
        time.sleep(2)
    assert host.log().count("Cannot list the queue") - before < 10


def cpu_ticks(host: Host) -> int:
    fields = Path(f"/proc/{host.daemon.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_daemon_without_roots_rights_copes_too(
    host: Host, installed: Path, as_nobody: Call, emulator: RunningEmulator
) -> None:
    """The packaged case: the daemon's user owns the queue, root is the stranger in it."""
    open_to_all(host.directory)
    open_to_all(Path(str(emulator.ca_file)).parent)
    for path in (host.directory / "data", host.directory / "run"):
        subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", path], check=True)
    os.chmod(str(emulator.ca_file), 0o644)
    for number, make in enumerate((make_full_directory, make_unreadable, os.mkfifo)):
        make(host.outqueue / "pdq" / layout.name(2 * number, KEY))
    command = [SYSTEM_PYTHON, installed / "bin" / "pdagentd", "-f", "--config", host.config]
    host.launch(command, cwd="/", user=NOBODY, group=NOBODY, extra_groups=[])
    host.until(lambda: host.state().get("counters", {}).get("set_aside") == 3)
    draft = host.outqueue / "tmp" / layout.name(int(time.time() * 1e6), KEY)
    draft.write_bytes(BODY)
    draft.chmod(0o644)
    draft.rename(host.outqueue / "pdq" / draft.name)
    emulator.wait_for(1)
    host.until(lambda: host.names("pdq") == [layout.name(0, KEY)])
    assert "Traceback" not in host.log()
