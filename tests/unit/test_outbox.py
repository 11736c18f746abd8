"""What the daemon finds in the queue, and what neighbours put there: promises 4, 10 and 11."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pdagent.event import Event
from pdagent.outqueue import layout
from pdagent.outqueue.outbox import Outbox, StrangeEntryError
from pdagent.outqueue.usage import counted_bytes
from tests.sample import BODY, KEY, NAME

FIRST = layout.name(0, KEY)


# --- scanning


def test_a_scan_tells_what_is_new_and_what_is_gone(outbox: Outbox, pending: Path) -> None:
    assert outbox.scan() == ({KEY: [NAME]}, [], set())
    assert outbox.scan() == ({}, [], set())
    pending.unlink()
    assert outbox.scan() == ({}, [], {NAME})
    assert outbox.scan() == ({}, [], set())


def test_one_event_of_many_that_is_gone_is_noticed(outbox: Outbox, outqueue: Path) -> None:
    names = [layout.name(number, KEY) for number in range(3)]
    for name in names:
        (outqueue / "pdq" / name).write_bytes(BODY)
    outbox.scan()
    (outqueue / "pdq" / names[1]).unlink()
    assert outbox.scan() == ({}, [], {names[1]})


@pytest.mark.parametrize("to", [layout.SUC, layout.ERR])
def test_an_event_that_is_put_back_under_its_name_comes_again(
    outbox: Outbox, outqueue: Path, pending: Path, to: str
) -> None:
    outbox.scan()
    outbox.settle(NAME, to)
    assert outbox.scan() == ({}, [], set())
    (outqueue / to / NAME).rename(pending)
    assert outbox.scan() == ({KEY: [NAME]}, [], set())


def test_new_events_come_in_order_of_their_names(outbox: Outbox, outqueue: Path) -> None:
    names = [layout.name(number, KEY) for number in (30, 10, 20)]
    for name in names:
        (outqueue / "pdq" / name).write_bytes(BODY)
    assert outbox.scan().arrived == {KEY: sorted(names)}


@pytest.mark.parametrize(
    "name",
    ["README", "x_key.txt", "123_.txt", "12_key.log", "_key.txt", "1\n2_key.txt", "1_\x1b.txt"],
)
def test_names_that_are_not_events_are_foreign(outbox: Outbox, outqueue: Path, name: str) -> None:
    (outqueue / "pdq" / name).write_bytes(BODY)
    assert outbox.scan() == ({}, [name], set())


def test_a_name_that_is_no_utf8_is_foreign(outbox: Outbox, outqueue: Path) -> None:
    Path(os.fsdecode(os.fsencode(outqueue / "pdq") + b"/1_\xff.txt")).write_bytes(BODY)
    assert len(outbox.scan().foreign) == 1


def test_the_bytes_waiting_are_counted(outbox: Outbox, pending: Path) -> None:
    gone = pending.with_name(FIRST)
    gone.write_bytes(BODY)
    outbox.scan()
    gone.unlink()
    outbox.measure([FIRST, NAME])
    assert outbox.queued_bytes == len(BODY)
    outbox.settle(NAME, layout.SUC)
    assert outbox.queued_bytes == 0


def test_a_sparse_file_cannot_make_the_queue_look_full(outbox: Outbox, outqueue: Path) -> None:
    with (outqueue / "pdq" / NAME).open("wb") as file:
        file.truncate(1 << 40)
    outbox.scan()
    outbox.measure([NAME])
    assert outbox.queued_bytes == layout.MAX_EVENT_BYTES
    assert counted_bytes(str(outqueue), "") == layout.MAX_EVENT_BYTES


def test_an_event_settled_during_a_scan_does_not_come_again(
    outbox: Outbox, pending: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.scan()
    scandir = os.scandir

    @contextmanager
    def settled_meanwhile(path: str) -> Iterator[list[os.DirEntry[str]]]:
        with scandir(path) as entries:
            found = list(entries)
        outbox.settle(NAME, layout.SUC)
        yield found

    monkeypatch.setattr(os, "scandir", settled_meanwhile)
    assert outbox.scan() == ({}, [], set())


def test_an_ignored_entry_is_not_reported_again(outbox: Outbox, outqueue: Path) -> None:
    (outqueue / "pdq" / "strange").mkdir()
    outbox.ignore("strange")
    assert outbox.scan() == ({}, [], set())


# --- reading


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (Event.v1(KEY, "trigger", description="d"), "v1"),
        (Event.v2(KEY, "trigger", summary="s", source="h", severity="info"), "v2"),
        (Event.change(KEY, summary="s"), "change"),
    ],
)
def test_each_kind_of_event_is_read(outbox: Outbox, pending: Path, event: Event, kind: str) -> None:
    pending.write_bytes(event.encode())
    assert outbox.read(NAME, KEY) == (kind, event.encode())


def test_the_biggest_event_is_one(outbox: Outbox, pending: Path) -> None:
    body = BODY.ljust(layout.MAX_EVENT_BYTES)
    pending.write_bytes(body)
    assert outbox.read(NAME, KEY) == ("v1", body)


@pytest.mark.timeout(10)
def test_a_file_that_grows_while_it_is_read_is_read_to_an_end(
    outbox: Outbox, pending: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = os.read

    def grow(fd: int, size: int) -> bytes:
        with pending.open("ab") as file:
            file.write(b" " * size)
        return read(fd, min(size, 10))

    monkeypatch.setattr(os, "read", grow)
    assert outbox.read(NAME, KEY) == ("v1", BODY + b" ")


def test_reading_leaves_no_file_open(outbox: Outbox, pending: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    outbox.read(NAME, KEY)
    pending.write_bytes(b"")
    with pytest.raises(StrangeEntryError):
        outbox.read(NAME, KEY)
    assert set(os.listdir("/proc/self/fd")) <= before


def test_an_event_of_1_x_is_read_as_it_is(outbox: Outbox, pending: Path) -> None:
    body = (
        b'{"agent":{"agent_id":null,"queued_at":"2026-05-04T03:02:01Z","queued_by":"pd-send"},'
        b'"details":{},"event_type":"resolve","incident_key":"x","service_key":"%s"}' % KEY.encode()
    )
    pending.write_bytes(body)
    assert outbox.read(NAME, KEY) == ("v1", body)


def test_a_removed_event_is_no_error_of_the_queue(outbox: Outbox) -> None:
    with pytest.raises(FileNotFoundError):
        outbox.read(NAME, KEY)


def make_socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the address of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path.name)
    finally:
        os.chdir(here)


def make_hard_link(path: Path) -> None:
    elsewhere = path.parents[2] / "elsewhere"
    elsewhere.write_bytes(BODY)
    os.link(elsewhere, path)


def make_two_hard_links(path: Path) -> None:
    make_hard_link(path)
    os.link(path, path.parents[2] / "further")


def make_huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(layout.MAX_EVENT_BYTES + 1)


def make_link_to_event(path: Path) -> None:
    (path.parents[1] / "suc" / NAME).write_bytes(BODY)
    path.symlink_to(path.parents[1] / "suc" / NAME)


NEIGHBOURS: list[tuple[str, Callable[[Path], object], str]] = [
    ("fifo", os.mkfifo, "FIFO"),
    ("socket", make_socket, "socket"),
    ("device", lambda path: os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5)), "device"),
    ("directory", lambda path: path.mkdir(), "directory"),
    ("dangling symlink", lambda path: path.symlink_to("/nowhere"), "symbolic link"),
    ("symlink to an event", make_link_to_event, "symbolic link"),
    ("symlink to a device", lambda path: path.symlink_to("/dev/zero"), "symbolic link"),
    ("hard link", make_hard_link, "hard link"),
    ("two hard links", make_two_hard_links, "hard link"),
    ("huge", make_huge, "too big"),
    ("empty", lambda path: path.touch(), "empty"),
    ("not UTF-8", lambda path: path.write_bytes(b'{"service_key": "\xff"}'), "not UTF-8"),
    ("not JSON", lambda path: path.write_bytes(b"service_key=x"), "not JSON"),
    ("truncated", lambda path: path.write_bytes(BODY[:-5]), "not JSON"),
    ("deep", lambda path: path.write_bytes(b"[" * 100_000), "not JSON"),
    ("a list", lambda path: path.write_bytes(b"[]"), "not a JSON object"),
    ("no key", lambda path: path.write_bytes(b'{"event_type": "trigger"}'), "service_key"),
    ("wrong key", lambda path: path.write_bytes(BODY.replace(b"a" * 32, b"b" * 32)), "another"),
    ("key of a wrong type", lambda path: path.write_bytes(b'{"service_key": 7}'), "another"),
]


@pytest.mark.parametrize(
    ("make", "word"), [row[1:] for row in NEIGHBOURS], ids=[row[0] for row in NEIGHBOURS]
)
def test_what_is_no_event_is_set_aside(
    outbox: Outbox, outqueue: Path, make: Callable[[Path], object], word: str
) -> None:
    make(outqueue / "pdq" / FIRST)
    assert outbox.scan().arrived == {KEY: [FIRST]}
    with pytest.raises(StrangeEntryError, match=word):
        outbox.read(FIRST, KEY)
    outbox.reject(FIRST, {"outcome": "set_aside"})
    assert os.listdir(outqueue / "pdq") == []
    assert os.path.lexists(outqueue / "err" / FIRST) == (word != "directory")
    assert outbox.scan() == ({}, [], set())


def test_a_full_directory_stays_even_if_it_could_be_moved(outbox: Outbox, outqueue: Path) -> None:
    (outqueue / "pdq" / FIRST / "file").mkdir(parents=True)
    outbox.scan()
    with pytest.raises(OSError, match="not empty"):
        outbox.reject(FIRST, {"outcome": "set_aside"})
    assert os.listdir(outqueue / "err") == []


def test_a_submit_that_is_just_ending_is_no_hard_link(
    outbox: Outbox, outqueue: Path, pending: Path
) -> None:
    os.link(pending, outqueue / "tmp" / FIRST)
    assert outbox.read(NAME, KEY)[0] == "v1"


def test_a_submit_that_ended_between_two_looks_is_no_hard_link(
    outbox: Outbox, outqueue: Path, pending: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = outqueue / "tmp" / FIRST
    os.link(pending, draft)
    scandir = os.scandir

    def ended_meanwhile(path: str) -> Iterator[os.DirEntry[str]]:
        draft.unlink()
        return scandir(path)

    monkeypatch.setattr(os, "scandir", ended_meanwhile)
    assert outbox.read(NAME, KEY)[0] == "v1"


def test_a_sick_disk_is_not_the_events_fault(
    outbox: Outbox, pending: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "open", broken)
    with pytest.raises(OSError, match="Input/output"):
        outbox.read(NAME, KEY)
