"""Whatever is on a line of pd-send --batch, it is queued once or named: promise 1."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st

from pdagent.commands.batch import MAX_LINE
from pdagent.outqueue import layout
from pdagent.outqueue.outbox import Outbox
from tests.host import Host
from tests.torture.lanes import key, trigger
from tests.torture.test_fuzz import JSON, NEARLY_EVENTS

GOOD = trigger(1, 1).encode()
MANY = st.sampled_from([1, 100, 5_000, 200_000])
LINES = (
    st.just(GOOD)
    | (NEARLY_EVENTS | JSON).map(lambda value: json.dumps(value).encode())
    | JSON.map(lambda value: json.dumps({**json.loads(GOOD), "details": {"d": value}}).encode())
    | st.binary(max_size=100)
    | st.builds(
        lambda text, at: GOOD[:at] + text + GOOD[at:],
        st.binary(max_size=5), st.integers(0, len(GOOD)),
    )
    | st.builds(lambda opening, many: opening * many, st.sampled_from([b"[", b'{"a":']), MANY)
    | MANY.map(lambda many: GOOD[:-1] + b',"links":' + b"[" * many + b"]" * many + b"}")
    | MANY.map(lambda many: GOOD[:-1] + b',"links":' + b"9" * many + b"}")
    | st.sampled_from([MAX_LINE, MAX_LINE + 1, 3 * MAX_LINE]).map(GOOD.ljust)
)  # fmt: skip
TEXTS = st.lists(LINES, min_size=1, max_size=6).map(b"\n".join)


class Ended(NamedTuple):
    """A pd-send --batch that has ended; ``queued`` are the times in the names in pdq."""

    status: int
    out: str
    err: str
    queued: list[int]


def send(text: bytes, *options: str) -> Ended:
    """Run pd-send --batch; what is in the queue afterwards can be sent."""
    with tempfile.TemporaryDirectory(prefix="pdagent-fuzz-") as directory:
        host = Host(Path(directory))
        ended = host.run("pd-send", "--batch", *options, input=text, text=False)
        box, queued = Outbox(str(host.outqueue)), []
        for name in host.names("pdq"):
            queued_us, lane = layout.parse(name) or (0, "")
            box.read(name, lane)
            queued.append(queued_us)
        assert host.names("tmp") == []
    assert b"Traceback" not in ended.stderr
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode(), queued)


def filled(text: bytes) -> list[int]:
    """The numbers of the lines that are not blank."""
    return [number for number, line in enumerate(text.split(b"\n"), 1) if line.strip()]


@given(TEXTS)
@example(b"\0\n" + GOOD + b"\n\xff\xfe\n" + GOOD)
def test_every_line_is_queued_once_or_named_by_its_number(text: bytes) -> None:
    ended = send(text)
    named = [re.match(r"pd-send: line (\d+): .", line) for line in ended.err.splitlines()]
    assert all(named), ended.err
    failed = {int(line[1]) for line in named if line}
    assert len(failed) == len(named)
    assert failed <= set(filled(text))
    assert len(ended.queued) == len(filled(text)) - len(failed)
    assert ended.status == bool(failed)


@given(TEXTS)
def test_every_line_has_its_record_in_json(text: bytes) -> None:
    ended = send(text, "--json", "--service-key", key(2))
    records = [json.loads(line) for line in ended.out.splitlines()]
    assert ended.err == ""
    assert [record["line"] for record in records] == filled(text)
    queued = [record["queued_us"] for record in records if record["status"] == "queued"]
    failed = [record["message"] for record in records if record["status"] == "failed"]
    assert sorted(queued) == ended.queued
    assert len(queued) + len(failed) == len(records)
    assert ended.status == bool(failed)
