"""The guide's chapter "Basic Troubleshooting": configuration, keys, log."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections import Counter
from collections.abc import Iterable, Iterator

from pdagent.doctor import host
from pdagent.doctor.check import FAIL, OK, WARN, Check, Finding, Results, ok, outdated, skip
from pdagent.doctor.host import Context
from pdagent.doctor.service import epoch
from pdagent.event import mask
from pdagent.outqueue import layout
from pdagent.outqueue.custody import masked_name, read_object
from pdagent.trust import Trust, TrustError
from pdagent.verdict import one_line

KEY_LENGTH = 32
_BODIES_READ = 100
_TAIL_BYTES = 256 * 1024
_THE_JOURNAL = "the journal"
_JOURNAL = ["journalctl", "--no-pager", "-o", "cat", "-n", "500", "-u", "pdagent"]
_LOG_LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ (ERROR|CRITICAL) +(.*)$")


def config(context: Context, _results: Results) -> Finding:
    """Report what the configuration file says, and what of it does not count."""
    settings, path = context.settings, context.host.config_path
    if context.host.config_error:
        return Finding(
            FAIL,
            " ".join(context.host.config_error.split("\n")),
            expected="a file that pdagentd can read",
            fix="put that file in order, then restart the agent",
            command=f"sudoedit {path} && {context.host.service_command('restart')}",
        )
    try:
        Trust(settings.ca_file)
    except TrustError as error:
        return unusable_ca(context, error)
    if _is_newer_than_the_daemon(context):
        return outdated(
            f"{path} was changed after pdagentd last read it",
            expected="the daemon runs with the file as it is",
            command=context.host.service_command("restart"),
        )
    own = {key: where for key, where in settings.origin.items() if where != "default"}
    values = {key: str(getattr(settings, key)) for key in own}
    if settings.warnings:
        return Finding(
            WARN,
            settings.warnings[0],
            expected="keys that the agent knows, each once",
            fix=f"correct the {len(settings.warnings)} line(s) named with -v",
            command=f"sudoedit {path}",
            detail={"warnings": settings.warnings, "values": values},
        )
    return ok(f"{path}: {len(own)} keys set, the rest are defaults", values=values, origin=own)


def _is_newer_than_the_daemon(context: Context) -> bool:
    state, process = context.host.state, context.host.process
    if process is None or state.get("pid") != process.pid or not state.get("config_loaded_at"):
        return False
    return host.changed_since(context.host.config_path, epoch(state["config_loaded_at"]))


def unusable_ca(context: Context, error: TrustError) -> Finding:
    """Say what is wrong with the file of trusted certificates."""
    return Finding(
        FAIL,
        str(error).partition(". ")[0],
        expected="a file of CA certificates in PEM form that the agent's user may read",
        fix="put the file in order, or go back to the system's trust store",
        command=context.host.set_command("ca_file", ""),
        guide="testing-tls",
    )


def keys(context: Context, _results: Results) -> Finding:
    """Look at the form of the given key, or of the keys in the queue."""
    found = [context.key] if context.key else sorted(_queued_keys(context))
    strays = [] if context.key else list(_strays(context))
    if strays:
        name, key = strays[0]
        return Finding(
            WARN,
            f"the pending event {masked_name(name)} holds the key {mask(key)}",
            expected="the key in an event is the one in its file's name",
            fix="see what puts files into the queue by itself",
            command="sudo pd-queue list",
            detail={"events": [masked_name(name) for name, _ in strays]},
        )
    wrong = [(mask(key), why) for key in found for why in [misshapen(key)] if why]
    if wrong:
        key, why = wrong[0]
        tail = shlex.quote(key[-4:])
        return Finding(
            WARN,
            f"the integration key {key} {why}",
            expected=f"{KEY_LENGTH} letters and digits",
            fix="copy the key again from the service's Integrations page",
            command=f"grep -rnI -- {tail} /etc/nagios /etc/icinga2 /etc/zabbix /etc/sensu",
            detail={"malformed": dict(wrong)},
        )
    return ok(f"{len(found)} key(s) in use are well formed" if found else "no key seen yet")


def misshapen(key: str) -> str:
    """Return what is wrong with the form of an integration key; empty where nothing is."""
    if len(key) != KEY_LENGTH:
        return f"has {len(key)} characters"
    if not (key.isascii() and key.isalnum()):
        return "holds other characters than letters and digits"
    return ""


def _queued_keys(context: Context) -> set[str]:
    found = set()
    for state in (layout.PDQ, layout.SUC, layout.ERR):
        for name in _names(os.path.join(context.settings.outqueue_dir, state)):
            parsed = layout.parse(name)
            if parsed:
                found.add(parsed[1])
    return found


def _strays(context: Context) -> Iterator[tuple[str, str]]:
    """Yield name and inner key of pending events whose body names another key."""
    folder = os.path.join(context.settings.outqueue_dir, layout.PDQ)
    for name in sorted(_names(folder))[:_BODIES_READ]:
        parsed, body = layout.parse(name), read_object(os.path.join(folder, name)) or {}
        inner = body.get("service_key") or body.get("routing_key")
        if parsed and isinstance(inner, str) and inner != parsed[1]:
            yield name, inner


def _names(directory: str) -> Iterable[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return ()


def log_errors(context: Context, _results: Results) -> Finding:
    """Group the error lines at the end of the daemon's log."""
    path = context.settings.log_file
    if not path and context.host.private:
        return skip("log_file is empty: the daemon writes to its terminal")
    try:
        lines = tail(path) if path else host.run(_JOURNAL).splitlines()
    except FileNotFoundError:
        return ok(f"{path} does not exist yet")
    path = path or _THE_JOURNAL
    errors = [match for match in map(_LOG_LINE.match, lines) if match]
    recent = [match for match in errors if _age(match.group(1)) < 3600]
    groups = Counter(_kind(match.group(3)) for match in recent).most_common(3)
    detail = {"errors": len(errors), "recent": dict(groups)}
    if not recent:
        return Finding(OK, f"no error in the last hour of {path}", detail=detail)
    kind, count = groups[0]
    return Finding(
        WARN,
        f"{len(recent)} errors in the last hour, most often ({count}): {kind}",
        expected="no error",
        fix="a check that failed says why; else read the log",
        command=f"sudo {shlex.join(_JOURNAL) if path == _THE_JOURNAL else f'tail -n 50 {path}'}",
        detail=detail,
    )


def tail(path: str, limit: int = _TAIL_BYTES) -> list[str]:
    """Return the last lines of a file, as many as fit into limit bytes."""
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        size = file.tell()
        file.seek(max(0, size - limit))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return lines[1:] if size > limit else lines


def _age(stamp: str) -> float:
    return time.time() - time.mktime(time.strptime(stamp, "%Y-%m-%d %H:%M:%S"))


def _kind(text: str) -> str:
    """Return a log message without what differs from event to event, two lines at most."""
    message = " ".join(text.split()[2:]) or text
    return one_line(re.sub(r"\d{10,}_\S+|[0-9a-fA-F]{32}", "…", message), 160)


CHECKS = (
    Check(
        id="config.parse",
        group="config",
        question="Can the configuration be read, and does every line count?",
        guide="basic-troubleshooting",
        run=config,
    ),
    Check(
        id="key.format",
        group="config",
        question="Do the integration keys look like integration keys?",
        guide="basic-troubleshooting",
        run=keys,
    ),
    Check(
        id="log.errors",
        group="service",
        question="What errors has the daemon logged lately?",
        guide="basic-troubleshooting",
        run=log_errors,
    ),
)
