"""The order of the steps, and what is said and kept of each: promises 1, 6, 13 and 14."""

from __future__ import annotations

import itertools
import json
import logging
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pdagent import sender, workers
from pdagent.outqueue import layout
from pdagent.verdict import REJECTED, Verdict
from tests.sending import KEY, NO, NO_NAME, SICK, SLOW_DOWN, YES, Bench, Wire


def test_a_delivered_event_goes_to_suc(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    names = [bench.put(number) for number in range(3)]
    bench.run(lambda: len(bench.names("suc")) == 3)
    assert bench.names("suc") == names
    assert bench.sender.last_success is not None
    assert bench.sender.last_success["key"] == "...wxyz"


def test_the_next_event_of_a_key_is_sent_when_the_one_before_it_was_moved(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    deliver, moved = bench.wire.deliver, []
    bench.wire.deliver = lambda *sent: (moved.append(bench.names("suc")), deliver(*sent))[1]  # type: ignore[method-assign]
    names = [bench.put(number) for number in range(3)]
    bench.run(lambda: len(bench.names("suc")) == 3)
    assert moved == [names[:0], names[:1], names[:2]]


def test_a_refused_event_has_reason_and_answer(tmp_path: Path) -> None:
    bench = Bench(tmp_path, NO)
    name = bench.put(1)
    bench.run(lambda: bench.names("pdq") == [])
    reason = json.loads((bench.queue / "err" / layout.reason_name(name)).read_text())
    answer = json.loads((bench.answers / layout.reason_name(name)).read_text())
    assert reason.pop("at").endswith("Z")
    assert reason["history"][0]["reason"] == "rejected"
    assert {field: reason[field] for field in ("outcome", "status", "message", "errors")} == {
        "outcome": "refused",
        "status": 400,
        "message": "no good",
        "errors": ["summary"],
    }
    assert answer["message"] == "no good"


def test_the_reason_says_when_each_attempt_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count(50.0, 10.0)  # ten seconds from the answer to the reason
    clock = SimpleNamespace(monotonic=ticks.__next__, time=lambda: 1_000_000.5)
    monkeypatch.setattr(sender, "time", clock)
    bench = Bench(tmp_path, NO)
    name = bench.put(1)
    bench.run(lambda: bench.names("pdq") == [])
    assert json.loads((bench.answers / layout.reason_name(name)).read_text()) == {
        "schema": 1,
        "event": name,
        "at": "1970-01-12T13:46:40Z",
        "outcome": "refused",
        "status": 400,
        "message": "no good",
        "errors": ["summary"],
        "attempts": 1,
        "history": [{"at": "1970-01-12T13:46:30Z", "reason": "rejected"}],
    }


@pytest.mark.parametrize(("message", "told"), [("no good", "no good"), ("", "status 400")])
def test_a_refusal_without_a_message_is_told_in_our_words(
    tmp_path: Path, message: str, told: str
) -> None:
    bench = Bench(tmp_path, Verdict(REJECTED, "rejected", "status 400", 400, message=message))
    name = bench.put(1)
    bench.run(lambda: bench.names("pdq") == [])
    answer = json.loads((bench.answers / layout.reason_name(name)).read_text())
    assert answer["message"] == told


def test_the_last_success_and_the_last_error_are_kept_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(monotonic=time.monotonic, time=lambda: 1_000_000.5)
    monkeypatch.setattr(sender, "time", clock)
    bench = Bench(tmp_path, YES, NO)
    bench.put(1)
    bench.put(2)
    bench.run(lambda: bench.names("pdq") == [])
    assert bench.sender.last_success == {"at": "1970-01-12T13:46:40Z", "key": "...wxyz"}
    assert bench.sender.last_error == {
        "at": "1970-01-12T13:46:40Z",
        "key": "...wxyz",
        "reason": "rejected",
        "detail": "no good",
        "status": 400,
    }


def test_only_what_was_delivered_is_measured_from_its_submit_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(monotonic=time.monotonic, time=lambda: 1_000_000.5)
    monkeypatch.setattr(sender, "time", clock)
    bench, measured = Bench(tmp_path, NO, SICK, YES), []
    monkeypatch.setattr(bench.sender.latency, "observe", measured.append)
    bench.put(999_999_000_000)
    bench.put(1_000_000_000_000)
    bench.run(lambda: bench.names("pdq") == [])
    assert measured == [0.5]


def test_each_step_is_logged_in_the_words_of_1_x(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench(tmp_path, SICK, NO_NAME, YES, NO)
    bench.put(1)
    bench.put(2)
    bench.run(lambda: bench.names("pdq") == [])
    first, second = "0000000000000001_...wxyz.txt", "0000000000000002_...wxyz.txt"
    later = "Backing off service key ...wxyz: Retrying events in service key ...wxyz after 1 sec"
    assert caplog.messages == [
        f"Processing event {first}",
        f"Error sending event {first}; Error code: 503, Reason: sick",
        later,
        f"Processing event {first}",
        f"Error sending event {first}; Error code: dns, Reason: no such name",
        later,
        f"Processing event {first}",
        f"Changing {first} type: pdq -> suc... incident_key = disk",
        f"Processing event {second}",
        f"Error sending event {second}; Error code: 400, Reason: no good",
        f"Changing {second} type: pdq -> err...",
    ]


def test_a_pause_that_pagerduty_asks_for_is_logged_in_seconds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path, SLOW_DOWN)
    bench.put(1)
    bench.run(lambda: "Retrying events in service key ...wxyz after 90 sec" in caplog.text)


def test_one_connection_serves_one_key(tmp_path: Path) -> None:
    bench, made = Bench(tmp_path), []
    bench.sender.reconfigure(
        dict.fromkeys(("v1", "v2", "change"), "https://pagerduty.test/"),
        lambda: (made.append(bench.wire), bench.wire)[1],  # type: ignore[arg-type,return-value]
    )
    for number in range(3):
        bench.put(number)
    bench.run(lambda: len(bench.names("suc")) == 3)
    assert len(made) == 1


def test_a_quarantined_event_brings_its_history(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    refused_proof = Verdict(REJECTED, "rejected", status=400)
    bench = Bench(tmp_path, SICK, SICK, refused_proof, SICK, retry_limit=2)
    name = bench.put(1)
    bench.run(lambda: bench.names("pdq") == [])
    reason = json.loads((bench.queue / "err" / layout.reason_name(name)).read_text())
    assert reason["outcome"] == "quarantined"
    assert [each["reason"] for each in reason["history"]] == ["http_503"] * 3
    assert "breached back-off limit. Assuming bad event." in caplog.text
    assert bench.wire.sent.count(b"{}") == 1


def test_no_key_is_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bench = Bench(tmp_path, NO, SICK)
    bench.put(1)
    bench.put(2)
    bench.put(3, b"")
    bench.put(4)
    bench.run(lambda: bench.names("pdq") == [])
    assert KEY not in caplog.text
    assert "0000000000000004_...wxyz.txt" in caplog.text


def test_a_removed_event_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench(tmp_path)
    gone, there = bench.put(1), bench.put(2)
    scan = bench.outbox.scan
    bench.outbox.scan = lambda: (scan(), os.unlink(bench.queue / "pdq" / gone))[0]  # type: ignore[method-assign]
    bench.run(lambda: bench.names("pdq") == [])
    assert bench.names("suc") == [there]
    assert caplog.messages[:2] == [
        "Event 0000000000000001_...wxyz.txt was removed from the queue",
        "Processing event 0000000000000002_...wxyz.txt",
    ]


def test_what_is_no_event_is_set_aside_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path)
    empty, good = bench.put(1, b""), bench.put(2)
    bench.run(lambda: bench.names("suc") == [good])
    assert bench.names("err") == [layout.reason_name(empty), empty]
    assert bench.sender.set_aside == 1
    assert bench.sender.last_error is not None
    assert bench.sender.last_error["key"] == "...wxyz"
    assert caplog.messages == ["Setting aside 0000000000000001_...wxyz.txt: it is empty"]


def test_a_foreign_name_is_set_aside_and_answers_nobody(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    (bench.queue / "pdq" / "notes").touch()
    bench.sender.set_aside_foreign("notes")
    assert bench.names("err") == ["notes", "notes.json"]
    reason = json.loads((bench.queue / "err" / "notes.json").read_text())
    assert reason["message"] == "not named <microseconds>_<integration key>.txt"
    assert bench.sender.set_aside == 1
    assert list(bench.answers.iterdir()) == []


def test_a_foreign_name_that_is_gone_already_is_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    Bench(tmp_path).sender.set_aside_foreign("notes")
    assert caplog.messages[1:] == ["Event notes was removed from the queue"]


def test_an_event_removed_while_it_is_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench(tmp_path)
    path = bench.queue / "pdq" / bench.put(1)
    deliver = bench.wire.deliver
    bench.wire.deliver = lambda url, body: (path.unlink(), deliver(url, body))[1]  # type: ignore[method-assign]
    bench.run(lambda: bench.delivery.pending == 0)
    assert "was removed from the queue while it was sent" in caplog.text


def test_a_refused_event_removed_while_it_is_sent(tmp_path: Path) -> None:
    bench = Bench(tmp_path, NO)
    path = bench.queue / "pdq" / bench.put(1)
    deliver = bench.wire.deliver
    bench.wire.deliver = lambda url, body: (path.unlink(), deliver(url, body))[1]  # type: ignore[method-assign]
    bench.run(lambda: bench.delivery.pending == 0)
    assert bench.names("err") == []


def test_a_request_without_end_does_not_hold_up_the_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    begun, end = threading.Event(), threading.Event()

    def deliver(_url: str, _body: bytes) -> Verdict:
        begun.set()
        end.wait(30)
        return YES

    monkeypatch.setattr(bench.wire, "deliver", deliver)
    name = bench.put(1)
    with bench.sender.lock:
        bench.delivery.arrived(bench.outbox.scan().arrived, time.monotonic())
    bench.sender.workers.wake(1)
    assert begun.wait(30)
    assert not bench.sender.workers.stop(0)
    assert bench.names("pdq") == [name]
    end.set()
    assert bench.sender.workers.stop(30)


def test_threads_without_work_end_with_their_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.05)
    bench = Bench(tmp_path)
    bench.put(1)
    bench.run(lambda: bench.wire.closed)
    senders = [one for one in threading.enumerate() if one.name.startswith(workers.THREAD_NAME)]
    for thread in senders:
        thread.join(30)
        assert not thread.is_alive()


def test_after_a_change_of_configuration_no_old_connection_is_used(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.put(1)
    other = Wire()
    urls = dict.fromkeys(("v1", "v2", "change"), "https://other.test/")
    deliver = bench.wire.deliver

    def change_meanwhile(url: str, body: bytes) -> Verdict:
        bench.sender.reconfigure(urls, lambda: other)  # type: ignore[arg-type,return-value]
        return deliver(url, body)

    bench.wire.deliver = change_meanwhile  # type: ignore[method-assign]
    bench.put(2)
    bench.run(lambda: len(bench.names("suc")) == 2)
    assert (len(bench.wire.sent), len(other.sent)) == (1, 1)
    assert bench.wire.closed


def test_a_change_of_configuration_closes_the_connections_that_are_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.put(1)
    bench.work(lambda: bench.names("suc"))
    assert not bench.wire.closed
    bench.sender.reconfigure({}, Wire)  # type: ignore[arg-type]
    assert bench.sender.workers.stop(30)
    assert bench.wire.closed
