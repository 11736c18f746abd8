"""How the daemon moves what it sent, what was refused and what is no event: promises 3 and 5."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pdagent.outqueue import layout
from pdagent.outqueue.outbox import Outbox
from tests.sample import BODY, NAME


def make_hard_link(path: Path) -> None:
    elsewhere = path.parents[2] / "elsewhere"
    elsewhere.write_bytes(BODY)
    os.link(elsewhere, path)


def test_a_delivered_event_keeps_its_name(outbox: Outbox, outqueue: Path, pending: Path) -> None:
    assert outbox.settle(NAME, layout.SUC)
    assert (outqueue / "suc" / NAME).read_bytes() == BODY


def test_an_event_removed_while_it_was_sent(outbox: Outbox, pending: Path) -> None:
    outbox.scan()
    pending.unlink()
    assert not outbox.settle(NAME, layout.SUC)
    assert outbox.scan() == ({}, [], set())


def test_what_cannot_be_moved_is_not_sent_again_and_moved_later(
    outbox: Outbox, outqueue: Path, pending: Path
) -> None:
    outbox.scan()
    (outqueue / "suc").rmdir()
    with pytest.raises(FileNotFoundError):
        outbox.settle(NAME, layout.SUC)
    assert outbox.scan() == ({}, [], set())
    (outqueue / "suc").mkdir()
    outbox.settle_owed()
    assert (outqueue / "suc" / NAME).exists()
    (outqueue / "suc" / NAME).rename(pending)
    outbox.settle_owed()
    assert pending.exists()


def test_what_cannot_be_moved_stays_owed(outbox: Outbox, outqueue: Path, pending: Path) -> None:
    (outqueue / "suc").rmdir()
    (outqueue / "suc").write_text("")
    with pytest.raises(NotADirectoryError):
        outbox.settle(NAME, layout.SUC)
    with pytest.raises(NotADirectoryError):
        outbox.settle_owed()


def test_a_rejected_event_has_its_reason_beside_it(
    outbox: Outbox, outqueue: Path, pending: Path
) -> None:
    outbox.reject(NAME, {"outcome": "refused", "status": 400})
    path = outqueue / "err" / NAME.replace(".txt", ".json")
    stored = json.loads(path.read_text())
    assert stored == {"schema": 1, "event": NAME, "outcome": "refused", "status": 400}
    assert path.stat().st_mode & 0o777 == 0o640


def test_on_a_full_disk_an_event_moves_to_err_without_its_reason(
    outbox: Outbox, outqueue: Path, pending: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pdagent.outqueue.outbox.write_json", full)
    outbox.reject(NAME, {})
    assert os.listdir(outqueue / "err") == [NAME]


def test_the_reason_is_there_before_the_event(
    outbox: Outbox, outqueue: Path, pending: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there: list[list[str]] = []
    move = Outbox._move

    def watched(box: Outbox, name: str, target: str, to: str) -> None:
        there.append(os.listdir(outqueue / "err"))
        move(box, name, target, to)

    monkeypatch.setattr(Outbox, "_move", watched)
    outbox.scan()
    outbox.reject(pending.name, {"outcome": "refused"})
    assert there == [[layout.reason_name(pending.name)]]


@pytest.mark.timeout(10)
@pytest.mark.parametrize("name", ["a~.txt", "README~"])
def test_nothing_in_err_is_replaced(outbox: Outbox, outqueue: Path, name: str) -> None:
    targets = [name.replace("~", mark) for mark in ("", "~2", "~3")]
    for target in targets:
        (outqueue / "pdq" / targets[0]).write_text(f"content of {target}")
        assert outbox.reject(targets[0], {}) == target
    for target in targets:
        assert (outqueue / "err" / target).read_text() == f"content of {target}"


@pytest.mark.timeout(10)
@pytest.mark.parametrize("make", [os.mkfifo, make_hard_link, lambda path: path.symlink_to("/x")])
def test_what_was_set_aside_under_the_name_of_a_draft_is_in_nobodys_way(
    outbox: Outbox, outqueue: Path, make: Callable[[Path], object]
) -> None:
    draft = "README.json.bak"
    make(outqueue / "pdq" / draft)
    (outqueue / "pdq" / "README").touch()
    outbox.reject(draft, {})
    outbox.reject("README", {"outcome": "set_aside"})
    assert "set_aside" in (outqueue / "err" / "README.json").read_text()
    if (elsewhere := outqueue.parent / "elsewhere").exists():
        assert elsewhere.read_bytes() == BODY


def test_a_reason_left_by_a_crash_is_replaced(
    outbox: Outbox, outqueue: Path, pending: Path
) -> None:
    (outqueue / "err" / layout.reason_name(NAME)).write_text("{}")
    assert outbox.reject(NAME, {"outcome": "refused"}) == NAME
    assert "refused" in (outqueue / "err" / layout.reason_name(NAME)).read_text()


def test_a_name_without_suffix_cannot_replace_the_reason_of_an_event(
    outbox: Outbox, outqueue: Path, pending: Path
) -> None:
    outbox.reject(NAME, {"outcome": "refused"})
    stem = NAME[: -len(".txt")]
    (outqueue / "pdq" / stem).write_text("forged")
    outbox.reject(stem, {"outcome": "set_aside"})
    assert "refused" in (outqueue / "err" / layout.reason_name(NAME)).read_text()


def test_a_name_cannot_replace_the_reason_of_another(outbox: Outbox, outqueue: Path) -> None:
    reason = NAME.replace(".txt", ".json")
    (outqueue / "err" / reason).write_text("{}")
    (outqueue / "pdq" / reason).write_text("forged")
    outbox.reject(reason, {})
    assert (outqueue / "err" / reason).read_text() == "{}"


@pytest.mark.parametrize("name", ["x" * 255, "1_" + "k" * 249 + ".txt", "é" * 127])
def test_the_longest_names_can_be_set_aside(outbox: Outbox, outqueue: Path, name: str) -> None:
    (outqueue / "pdq" / name).touch()
    outbox.reject(name, {})
    assert os.listdir(outqueue / "pdq") == []
    assert len(os.listdir(outqueue / "err")) == 2


def test_a_rejected_event_that_is_gone_leaves_no_reason(outbox: Outbox, outqueue: Path) -> None:
    with pytest.raises(FileNotFoundError):
        outbox.reject(NAME, {})
    assert os.listdir(outqueue / "err") == []


def test_a_rejected_event_that_goes_while_its_reason_is_written_leaves_no_reason(
    outbox: Outbox, outqueue: Path, pending: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename

    def removed_meanwhile(source: str, target: str) -> None:
        pending.unlink(missing_ok=True)
        rename(source, target)

    monkeypatch.setattr(os, "rename", removed_meanwhile)
    with pytest.raises(FileNotFoundError):
        outbox.reject(NAME, {})
    assert os.listdir(outqueue / "err") == []
