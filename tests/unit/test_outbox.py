"""The daemon's side of the queue, and what neighbours put there: promises 3, 4, 5, 10, 11."""

from __future__ import annotations

import json
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

KEY = "a" * 32
FIRST = layout.name(0, KEY)
NAME = layout.name(1_700_000_000_000_000, KEY)
BODY = Event.v1(KEY, "trigger", description="disk full").encode()


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    layout.ensure(str(tmp_path))
    return tmp_path / "outqueue"


@pytest.fixture
def outbox(queue: Path) -> Outbox:
    return Outbox(str(queue))


@pytest.fixture
def pending(queue: Path) -> Path:
    path = queue / "pdq" / NAME
    path.write_bytes(BODY)
    return path


# --- scanning


def test_a_scan_tells_what_is_new_and_what_is_gone(outbox: Outbox, pending: Path) -> None:
    assert outbox.scan() == ({KEY: [NAME]}, [], set())
    assert outbox.scan() == ({}, [], set())
    pending.unlink()
    assert outbox.scan() == ({}, [], {NAME})


def test_new_events_come_in_order_of_their_names(outbox: Outbox, queue: Path) -> None:
    names = [layout.name(number, KEY) for number in (30, 10, 20)]
    for name in names:
        (queue / "pdq" / name).write_bytes(BODY)
    assert outbox.scan().arrived == {KEY: sorted(names)}


@pytest.mark.parametrize(
    "name",
    ["README", "x_key.txt", "123_.txt", "12_key.log", "_key.txt", "1\n2_key.txt", "1_\x1b.txt"],
)
def test_names_that_are_not_events_are_foreign(outbox: Outbox, queue: Path, name: str) -> None:
    (queue / "pdq" / name).write_bytes(BODY)
    assert outbox.scan() == ({}, [name], set())


def test_a_name_that_is_no_utf8_is_foreign(outbox: Outbox, queue: Path) -> None:
    Path(os.fsdecode(os.fsencode(queue / "pdq") + b"/1_\xff.txt")).write_bytes(BODY)
    assert len(outbox.scan().foreign) == 1


def test_the_bytes_waiting_are_counted(outbox: Outbox, pending: Path) -> None:
    outbox.scan()
    outbox.measure([NAME, "gone"])
    assert outbox.queued_bytes == len(BODY)
    outbox.settle(NAME, layout.SUC)
    assert outbox.queued_bytes == 0


def test_a_sparse_file_cannot_make_the_queue_look_full(outbox: Outbox, queue: Path) -> None:
    with (queue / "pdq" / NAME).open("wb") as file:
        file.truncate(1 << 40)
    outbox.scan()
    outbox.measure([NAME])
    assert outbox.queued_bytes == layout.MAX_EVENT_BYTES
    assert counted_bytes(str(queue), "") == layout.MAX_EVENT_BYTES


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
    outbox: Outbox, queue: Path, make: Callable[[Path], object], word: str
) -> None:
    make(queue / "pdq" / FIRST)
    assert outbox.scan().arrived == {KEY: [FIRST]}
    with pytest.raises(StrangeEntryError, match=word):
        outbox.read(FIRST, KEY)
    outbox.reject(FIRST, {"outcome": "set_aside"})
    assert os.listdir(queue / "pdq") == []
    assert os.path.lexists(queue / "err" / FIRST) == (word != "directory")
    assert outbox.scan() == ({}, [], set())


def test_a_full_directory_stays_even_if_it_could_be_moved(outbox: Outbox, queue: Path) -> None:
    (queue / "pdq" / FIRST / "file").mkdir(parents=True)
    outbox.scan()
    with pytest.raises(OSError, match="not empty"):
        outbox.reject(FIRST, {"outcome": "set_aside"})
    assert os.listdir(queue / "err") == []


def test_a_submit_that_is_just_ending_is_no_hard_link(
    outbox: Outbox, queue: Path, pending: Path
) -> None:
    os.link(pending, queue / "tmp" / FIRST)
    assert outbox.read(NAME, KEY)[0] == "v1"


def test_a_submit_that_ended_between_two_looks_is_no_hard_link(
    outbox: Outbox, queue: Path, pending: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = queue / "tmp" / FIRST
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


# --- settling


def test_a_delivered_event_keeps_its_name(outbox: Outbox, queue: Path, pending: Path) -> None:
    assert outbox.settle(NAME, layout.SUC)
    assert (queue / "suc" / NAME).read_bytes() == BODY


def test_an_event_removed_while_it_was_sent(outbox: Outbox, pending: Path) -> None:
    pending.unlink()
    assert not outbox.settle(NAME, layout.SUC)


def test_what_cannot_be_moved_is_not_sent_again_and_moved_later(
    outbox: Outbox, queue: Path, pending: Path
) -> None:
    outbox.scan()
    (queue / "suc").rmdir()
    with pytest.raises(FileNotFoundError):
        outbox.settle(NAME, layout.SUC)
    assert outbox.scan() == ({}, [], set())
    (queue / "suc").mkdir()
    outbox.settle_owed()
    assert (queue / "suc" / NAME).exists()
    outbox.settle_owed()


def test_what_cannot_be_moved_stays_owed(outbox: Outbox, queue: Path, pending: Path) -> None:
    (queue / "suc").rmdir()
    (queue / "suc").write_text("")
    with pytest.raises(NotADirectoryError):
        outbox.settle(NAME, layout.SUC)
    with pytest.raises(NotADirectoryError):
        outbox.settle_owed()


def test_a_rejected_event_has_its_reason_beside_it(
    outbox: Outbox, queue: Path, pending: Path
) -> None:
    outbox.reject(NAME, {"outcome": "refused", "status": 400})
    stored = json.loads((queue / "err" / NAME.replace(".txt", ".json")).read_text())
    assert stored == {"schema": 1, "event": NAME, "outcome": "refused", "status": 400}


def test_on_a_full_disk_an_event_moves_to_err_without_its_reason(
    outbox: Outbox, queue: Path, pending: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pdagent.outqueue.outbox.write_json", full)
    outbox.reject(NAME, {})
    assert os.listdir(queue / "err") == [NAME]


def test_the_reason_is_there_before_the_event(
    outbox: Outbox, queue: Path, pending: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there: list[list[str]] = []
    move = Outbox._move

    def watched(box: Outbox, name: str, target: str, to: str) -> None:
        there.append(os.listdir(queue / "err"))
        move(box, name, target, to)

    monkeypatch.setattr(Outbox, "_move", watched)
    outbox.scan()
    outbox.reject(pending.name, {"outcome": "refused"})
    assert there == [[layout.reason_name(pending.name)]]


def test_nothing_in_err_is_replaced(outbox: Outbox, queue: Path, pending: Path) -> None:
    (queue / "err" / NAME).write_text("older")
    target = outbox.reject(NAME, {})
    assert (queue / "err" / NAME).read_text() == "older"
    assert (queue / "err" / target).read_bytes() == BODY


@pytest.mark.timeout(10)
@pytest.mark.parametrize("make", [os.mkfifo, make_hard_link, lambda path: path.symlink_to("/x")])
def test_what_was_set_aside_under_the_name_of_a_draft_is_in_nobodys_way(
    outbox: Outbox, queue: Path, make: Callable[[Path], object]
) -> None:
    draft = "README.json.bak"
    make(queue / "pdq" / draft)
    (queue / "pdq" / "README").touch()
    outbox.reject(draft, {})
    outbox.reject("README", {"outcome": "set_aside"})
    assert "set_aside" in (queue / "err" / "README.json").read_text()
    if (elsewhere := queue.parent / "elsewhere").exists():
        assert elsewhere.read_bytes() == BODY


def test_a_reason_left_by_a_crash_is_replaced(outbox: Outbox, queue: Path, pending: Path) -> None:
    (queue / "err" / layout.reason_name(NAME)).write_text("{}")
    assert outbox.reject(NAME, {"outcome": "refused"}) == NAME
    assert "refused" in (queue / "err" / layout.reason_name(NAME)).read_text()


def test_a_name_without_suffix_cannot_replace_the_reason_of_an_event(
    outbox: Outbox, queue: Path, pending: Path
) -> None:
    outbox.reject(NAME, {"outcome": "refused"})
    stem = NAME[: -len(".txt")]
    (queue / "pdq" / stem).write_text("forged")
    outbox.reject(stem, {"outcome": "set_aside"})
    assert "refused" in (queue / "err" / layout.reason_name(NAME)).read_text()


def test_a_name_cannot_replace_the_reason_of_another(outbox: Outbox, queue: Path) -> None:
    reason = NAME.replace(".txt", ".json")
    (queue / "err" / reason).write_text("{}")
    (queue / "pdq" / reason).write_text("forged")
    outbox.reject(reason, {})
    assert (queue / "err" / reason).read_text() == "{}"


@pytest.mark.parametrize("name", ["x" * 255, "1_" + "k" * 249 + ".txt", "é" * 127])
def test_the_longest_names_can_be_set_aside(outbox: Outbox, queue: Path, name: str) -> None:
    (queue / "pdq" / name).touch()
    outbox.reject(name, {})
    assert os.listdir(queue / "pdq") == []
    assert len(os.listdir(queue / "err")) == 2


def test_a_rejected_event_that_is_gone_leaves_no_reason(outbox: Outbox, queue: Path) -> None:
    with pytest.raises(FileNotFoundError):
        outbox.reject(NAME, {})
    assert os.listdir(queue / "err") == []


def test_an_ignored_entry_is_not_reported_again(outbox: Outbox, queue: Path) -> None:
    (queue / "pdq" / "strange").mkdir()
    outbox.ignore("strange")
    assert outbox.scan() == ({}, [], set())
