"""Neither a defect nor a disk ends a thread or loses an event: promises 1, 3 and 13."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pdagent.verdict import Verdict
from tests.sending import NO, YES, Bench


def test_a_defect_costs_a_delay_not_a_thread(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path, RuntimeError("a defect"), YES)
    bench.put(1)
    bench.run(lambda: bench.names("pdq") == [])
    assert bench.delivery.retried["internal"] == 1
    assert "Cannot process event 0000000000000001_...wxyz.txt" in caplog.text


def test_an_event_that_always_meets_a_defect_is_quarantined_while_others_go_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, retry_limit=2)

    def meet_a_defect(url: str, body: bytes) -> Verdict:
        with bench.sender.lock:
            bench.delivery.proved(True)  # as another key's success does
        raise RuntimeError("a defect")

    monkeypatch.setattr(bench.wire, "deliver", meet_a_defect)
    name = bench.put(1)
    bench.run(lambda: bench.names("err"))
    assert bench.names("pdq") == []
    reason = json.loads((bench.queue / "err" / name).with_suffix(".json").read_text())
    assert (reason["outcome"], reason["message"]) == ("quarantined", "RuntimeError('a defect')")


def test_a_defect_after_the_answer_neither_repeats_the_event_nor_blames_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    settle, defects = bench.outbox.settle, [RuntimeError("a defect")]

    def settle_badly_once(name: str, to: str) -> bool:
        if defects:
            raise defects.pop()
        return settle(name, to)

    monkeypatch.setattr(bench.outbox, "settle", settle_badly_once)
    _, second = bench.put(1), bench.put(2)
    bench.run(lambda: bench.names("suc") == [second])
    assert len(bench.wire.sent) == 2
    assert bench.delivery.retried == {}


def test_a_disk_that_cannot_be_read_keeps_the_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    bench.put(1)
    read, failures = bench.outbox.read, [OSError(5, "Input/output error")]

    def sick_once(name: str, key: str) -> tuple[str, bytes]:
        if failures:
            raise failures.pop()
        return read(name, key)

    monkeypatch.setattr(bench.outbox, "read", sick_once)
    bench.run(lambda: bench.names("pdq") == [])
    assert bench.delivery.retried == {"disk": 1}


def test_a_full_disk_after_delivery_sends_nothing_twice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path)
    bench.put(1)
    (bench.queue / "suc").rmdir()
    bench.run(lambda: "cannot be moved to suc" in caplog.text)
    assert len(bench.wire.sent) == 1


def test_what_cannot_be_set_aside_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path)
    bench.put(1, b"")
    (bench.queue / "err").rmdir()
    (bench.queue / "err").write_text("")
    good = bench.put(2)
    bench.run(lambda: bench.names("suc") == [good])
    assert "Cannot move 0000000000000001_...wxyz.txt to err: Not a directory" in caplog.text
    assert bench.outbox.scan() == ({}, [], set())


def test_a_missing_answers_directory_keeps_nothing_in_the_queue(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path, NO)
    name = bench.put(1)
    bench.answers.rmdir()
    bench.run(lambda: name in bench.names("err"))
    assert "Cannot write the answer" in caplog.text
