"""The guide's chapter "Outqueue Troubleshooting": directories and what lies in them."""

from __future__ import annotations

import os
import pwd
import shlex
import stat
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pdagent.doctor.check import FAIL, OK, WARN, Check, Finding, Results, ok
from pdagent.doctor.host import AGENT_USER, SYSTEM_DATA_DIR, Context
from pdagent.doctor.service import STATE_DIRS, epoch, span
from pdagent.event import MAX_BODY, mask
from pdagent.outqueue import layout, ledger
from pdagent.outqueue.custody import masked_name, read_object

OLD_SECONDS, TOO_OLD_SECONDS = 300, 3600
_MISSING = "is missing"
# What state-dirs reads instead of the package's table.
_OWN_TABLE = "/etc/tmpfiles.d/pdagent.conf"
# An administrator may leave the way into the queue to the members of a group.
_GROUP_ONLY = {"outqueue": 0o710}
_FUTURE_SECONDS = ledger.MAX_LEAD_US / 1e6
_KINDS = (
    (stat.S_ISFIFO, "FIFO"),
    (stat.S_ISLNK, "symbolic link"),
    (stat.S_ISDIR, "directory"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)
_SENDING = ("net.tcp", "net.tls", "proxy.connect", "api.events", "net.dns", "net.route")
_DELIVERY = ("service.unit", "config.parse", "service.running", "time.clock", *_SENDING)


@dataclass(frozen=True)
class Entry:
    """One entry of a queue directory; queued_at is None where the name is foreign."""

    name: str
    inode: int
    mode: int
    size: int
    queued_at: float | None
    key: str


def entries(context: Context, state: str) -> Iterator[Entry]:
    """Yield the entries of one queue directory; a missing directory has none."""
    path = os.path.join(context.settings.outqueue_dir, state)
    try:
        listing = os.scandir(path)
    except FileNotFoundError:
        return
    with listing:
        for item in listing:
            try:
                info = item.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            parsed = layout.parse(item.name)
            key = parsed[1] if parsed else ""
            yield Entry(
                item.name,
                info.st_ino,
                info.st_mode,
                info.st_size,
                layout.queued_at(item.name),
                key,
            )


def directories(context: Context, _results: Results) -> Finding:
    """Compare the queue's directories with what the layout says of them."""
    data_dir = context.settings.data_dir
    owner = _owner(context)
    for path, mode in layout.MODES.items():
        full = os.path.join(data_dir, path).rstrip("/")
        fault = _directory_fault(full, (mode, _GROUP_ONLY.get(path, mode)), owner)
        if fault:
            name = pwd.getpwuid(owner).pw_name
            return Finding(
                FAIL,
                f"{full} {fault}",
                expected=f"a directory of {name}'s with mode {mode:04o}",
                fix="make it as the package does",
                command=_mend_command(context, fault, f"-o {name} -g {name} -m {mode:04o} {full}"),
                detail={"path": full, "mode": f"{mode:04o}"},
            )
    return ok(f"{len(layout.MODES)} directories with the right owner and mode")


def _mend_command(context: Context, fault: str, arguments: str) -> str:
    if context.host.private and fault == _MISSING:
        return context.host.service_command("start")  # the daemon makes its own directories
    if not context.host.private and _is_made_by_table(context):
        return f"sudo {STATE_DIRS}"
    return f"sudo install -d {arguments}"


def _is_made_by_table(context: Context) -> bool:
    """Tell whether state-dirs knows the queue: one that was moved only by a table of its own."""
    moved = context.settings.data_dir != SYSTEM_DATA_DIR
    return os.path.exists(STATE_DIRS) and (not moved or os.path.exists(_OWN_TABLE))


def _owner(context: Context) -> int:
    """Return the uid that the queue should belong to."""
    if context.host.private:
        try:
            return os.stat(context.settings.data_dir).st_uid
        except FileNotFoundError:
            return os.geteuid()
    return pwd.getpwnam(AGENT_USER).pw_uid


def _directory_fault(path: str, modes: tuple[int, int], owner: int) -> str:
    try:
        info = os.lstat(path)
    except FileNotFoundError:
        return _MISSING
    if not stat.S_ISDIR(info.st_mode):
        return "is not a directory"
    if info.st_uid != owner:
        return f"belongs to uid {info.st_uid}"
    found = stat.S_IMODE(info.st_mode)
    if not any(_is_mode(found, mode) for mode in modes):
        return f"has mode {found:04o}"
    return ""


def _is_mode(found: int, mode: int) -> bool:
    too_open = found & stat.S_IRWXO & ~mode
    return found & mode == mode and not too_open


def pending(context: Context, _results: Results) -> Finding:
    """Count the events that wait, and how long the oldest has that no hold keeps back."""
    now, state = time.time(), context.host.state
    waiting = [e for e in entries(context, layout.PDQ) if e.queued_at is not None]
    counts = Counter(mask(entry.key) for entry in waiting)
    free = [entry for entry in waiting if not _is_held(entry, state)]
    oldest = max((now - entry.queued_at for entry in free if entry.queued_at), default=0.0)
    detail = {
        "pending": len(waiting),
        "oldest_seconds": round(oldest),
        "keys": dict(counts.most_common(20)),
        "last_error": state.get("last_error"),
    }
    text = _counted(len(free)) + (f", the oldest for {span(oldest)}" if free else "")
    if oldest >= OLD_SECONDS:
        return Finding(
            FAIL if oldest > TOO_OLD_SECONDS else WARN,
            text,
            expected=f"every event is sent within {OLD_SECONDS // 60} min",
            fix="see the log for why; purge what is no longer news before the flood comes",
            command="sudo pd-queue status",
            detail=detail,
        )
    if state.get("held") or state.get("held_keys"):
        return _held(state, len(waiting) - len(free), detail)
    return Finding(OK, text, detail=detail)


def _counted(count: int) -> str:
    return f"{count} pending event{'' if count == 1 else 's'}"


def _is_held(entry: Entry, state: Mapping[str, Any]) -> bool:
    return bool(state.get("held")) or mask(entry.key) in (state.get("held_keys") or ())


def _held(state: Mapping[str, Any], count: int, detail: dict[str, Any]) -> Finding:
    """Say so whatever the age: who looks for an event just sent must not find all well."""
    what = "every key" if state.get("held") else ", ".join(state["held_keys"])
    return Finding(
        WARN,
        f"pd-queue hold keeps {what} back: {_counted(count)}",
        expected="no hold, or one that someone knows of",
        fix="release the hold",
        command="sudo pd-queue release",
        detail=detail,
    )


def rejected(context: Context, _results: Results) -> Finding:
    """Count what PagerDuty refused, with the reasons stored beside it."""
    reasons: Counter[str] = Counter()
    count = 0
    for entry in entries(context, layout.ERR):
        if entry.queued_at is None:
            continue
        count += 1
        if count <= 1000:
            reasons[_reason(context, entry.name)] += 1
    detail = {"rejected": count, "reasons": dict(reasons.most_common(5))}
    if not count:
        return ok("no rejected events", **detail)
    top, times = reasons.most_common(1)[0]
    return Finding(
        WARN,
        f"{count} rejected events, {times} of them: {top}",
        expected="none",
        fix="see which they are, correct what sends them, then pd-queue retry or purge them",
        command="sudo pd-queue list --state error",
        detail=detail,
        guide="outqueue-directories",
    )


def _reason(context: Context, name: str) -> str:
    path = os.path.join(context.settings.outqueue_dir, layout.ERR, layout.reason_name(name))
    stored = read_object(path)
    if stored is None:
        return "no reason is stored"
    first = (stored.get("errors") or [stored.get("message") or stored.get("outcome")])[0]
    return " ".join(str(word) for word in (stored.get("status"), first) if word)[:120]


def sent(context: Context, _results: Results) -> Finding:
    """Find the last delivered event."""
    newest = max((e.queued_at or 0.0 for e in entries(context, layout.SUC)), default=0.0)
    success = context.host.state.get("last_success") or {}
    at = max(newest, epoch(success.get("at")))
    if not at:
        return ok("nothing sent yet from this host", last_success=None)
    return ok(
        f"the last event was accepted {span(time.time() - at)} ago"
        " (no incident? see Why Incidents Fail to Trigger)",
        last_success=success or None,
        newest_seconds=round(time.time() - at),
    )


def strange(context: Context, _results: Results) -> Finding:
    """Look for what does not belong into a queue, and for events that are unlike others."""
    found = [(e, s) for s in (layout.PDQ, layout.TMP, layout.ERR) for e in entries(context, s)]
    strangers = [(e, s, why) for e, s in found for why in [_oddity(e, s)] if why]
    if strangers:
        entry, state, _ = strangers[0]
        return _odd(
            strangers,
            f"{len(strangers)} strange entries",
            expected="event files only",
            fix="remove it; the daemon leaves it alone or sets it aside",
            command=_remove_command(os.path.join(context.settings.outqueue_dir, state), entry),
        )
    events = [(e, s) for e, s in found if s != layout.TMP]
    unusual = [(e, s, why) for e, s in events for why in [_unlikely(e)] if why]
    if unusual:
        name = masked_name(unusual[0][0].name)
        return _odd(
            unusual,
            f"{len(unusual)} unusual events",
            expected=f"events that a right clock dated, of {MAX_BODY // 1024} KiB at most",
            fix="see what it says; a pending one is sent all the same",
            command=f"sudo pd-queue show {shlex.quote(name)}",
        )
    return ok("nothing that does not belong there")


def _odd(found: Sequence[tuple[Entry, str, str]], text: str, **advice: str) -> Finding:
    listed = [[f"{state}/{masked_name(e.name)}", why] for e, state, why in found[:20]]
    name, why = listed[0]
    return Finding(
        WARN,
        f"{text}: {name} is {why}",
        detail={"entries": listed},
        guide="outqueue-directories",
        **advice,
    )


def _remove_command(directory: str, entry: Entry) -> str:
    """Return what removes an entry by its inode: a neighbour chose the name, and for a shell."""
    found = f"-maxdepth 1 -inum {entry.inode}"
    return f"sudo find {shlex.quote(directory)} {found} -exec rm -rv -- {{}} +"


def _oddity(entry: Entry, state: str) -> str:
    for is_kind, words in _KINDS:
        if is_kind(entry.mode):
            return f"a {words}"
    return "no event's name" if entry.queued_at is None and state != layout.ERR else ""


def _unlikely(entry: Entry) -> str:
    if entry.queued_at is None:
        return ""
    if entry.size > MAX_BODY:
        return f"{entry.size // 1024} KiB large"
    return "dated in the future" if entry.queued_at > time.time() + _FUTURE_SECONDS else ""


def age(context: Context, _results: Results) -> Finding:
    """Compare the oldest settled event with the age at which it should be gone."""
    settings = context.settings
    limit = settings.cleanup_threshold_secs + 2 * settings.cleanup_interval_secs
    times = [
        entry.queued_at
        for state in (layout.SUC, layout.ERR)
        for entry in entries(context, state)
        if entry.queued_at
    ]
    oldest = time.time() - min(times, default=time.time())
    last = (context.host.state.get("cleanup") or {}).get("last_at")
    detail = {"oldest_seconds": round(oldest), "last_at": last, "files": len(times)}
    if oldest <= limit:
        return Finding(OK, f"{len(times)} sent or rejected files are kept", detail=detail)
    return Finding(
        WARN,
        f"files of {span(oldest)} ago are still there: the clean-up is overdue",
        expected=f"they go after {span(settings.cleanup_threshold_secs)}",
        fix="restart the agent: it cleans up when it starts",
        command=context.host.service_command("restart"),
        detail=detail,
    )


CHECKS = (
    Check(
        id="queue.dirs",
        group="queue",
        question="Are the queue's directories there, with the right owner and mode?",
        guide="outqueue-directories",
        run=directories,
        needs=("service.user",),
        follows=("service.unit",),
    ),
    Check(
        id="queue.pending",
        group="queue",
        question="How many events wait, and for how long?",
        guide="outqueue-troubleshooting",
        run=pending,
        needs=("queue.dirs",),
        follows=_DELIVERY,
    ),
    Check(
        id="queue.err",
        group="queue",
        question="Which events did PagerDuty reject, and why?",
        guide="outqueue-directories",
        run=rejected,
        needs=("queue.dirs",),
    ),
    Check(
        id="queue.suc",
        group="queue",
        question="When was the last event accepted?",
        guide="outqueue-directories",
        run=sent,
        needs=("queue.dirs",),
    ),
    Check(
        id="queue.strange",
        group="queue",
        question="Is there anything in the queue that does not belong there?",
        guide="outqueue-directories",
        run=strange,
        needs=("queue.dirs",),
    ),
    Check(
        id="queue.age",
        group="queue",
        question="Are old files cleaned up?",
        guide="outqueue-directories",
        run=age,
        needs=("queue.dirs",),
        follows=("service.running",),
    ),
)
