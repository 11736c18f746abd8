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
PIECES = (
    (NEARLY_EVENTS | JSON).map(lambda value: json.dumps(value).encode())
    | JSON.map(lambda value: json.dumps({**json.loads(GOOD), "details": {"d": value}}).encode())
    | st.binary(max_size=100)
    | st.builds(
        lambda text, at: GOOD[:at] + text + GOOD[at:],
        st.binary(max_size=5), st.integers(0, len(GOOD)),
    )
)  # fmt: skip


class Line(NamedTuple):
    """A line as it is drawn: what is drawn is kept, and some lines have megabytes."""

    start: bytes
    middle: bytes = b""
    times: int = 0
    end: bytes = b""
    close: bytes = b""

    def __bytes__(self) -> bytes:
        return self.start + self.middle * self.times + self.end * self.times + self.close


LINES = (
    st.just(Line(GOOD))
    | PIECES.map(Line)
    | st.builds(
        Line,
        st.sampled_from([b"", GOOD[:-1] + b',"links":']),
        st.sampled_from([b"[", b'{"a":', b"9"]),
        st.sampled_from([1, 100, 5_000, 200_000]),
        st.sampled_from([b"", b"]", b"}"]),
        st.sampled_from([b"", b"}"]),
    )
    | st.sampled_from([MAX_LINE - len(GOOD), MAX_LINE]).map(lambda many: Line(GOOD, b" ", many))
)
TEXTS = st.lists(LINES, min_size=1, max_size=6)


class Ended(NamedTuple):
    """A pd-send --batch that has ended; ``queued`` are the times in the names in pdq."""

    status: int
    out: str
    err: str
    queued: list[int]


def send(lines: list[Line], *options: str) -> Ended:
    """Run pd-send --batch; what is in the queue afterwards can be sent."""
    text = b"\n".join(map(bytes, lines))
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


def filled(lines: list[Line]) -> list[int]:
    """The numbers of the lines that are not blank."""
    text = b"\n".join(map(bytes, lines))
    return [number for number, line in enumerate(text.split(b"\n"), 1) if line.strip()]


@given(TEXTS)
@example([Line(b"\0"), Line(GOOD), Line(b"\xff\xfe"), Line(b""), Line(GOOD)])
def test_every_line_is_queued_once_or_named_by_its_number(lines: list[Line]) -> None:
    ended = send(lines)
    named = [re.match(r"pd-send: line (\d+): .", line) for line in ended.err.splitlines()]
    assert all(named), ended.err
    failed = {int(line[1]) for line in named if line}
    assert len(failed) == len(named)
    assert failed <= set(filled(lines))
    assert len(ended.queued) == len(filled(lines)) - len(failed)
    assert ended.status == bool(failed)


@given(TEXTS)
def test_every_line_has_its_record_in_json(lines: list[Line]) -> None:
    ended = send(lines, "--json", "--service-key", key(2))
    records = [json.loads(line) for line in ended.out.splitlines()]
    assert ended.err == ""
    assert [record["line"] for record in records] == filled(lines)
    queued = [record["queued_us"] for record in records if record["status"] == "queued"]
    failed = [record["message"] for record in records if record["status"] == "failed"]
    assert sorted(queued) == ended.queued
    assert len(queued) + len(failed) == len(records)
    assert ended.status == bool(failed)
