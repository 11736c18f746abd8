"""What a check is, what it finds, and how a set of checks is run.

A check asks one question and answers with one Finding. It knows nothing of output
formats, and the reports know nothing of checks. Checks name the checks they rest
on, so that one root cause is one failure: what rests on it is skipped with the
reason.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from pdagent.doctor.host import Context

OK, WARN, FAIL, SKIP = "ok", "warn", "fail", "skip"

# The guide's chapters: anchor -> title.
CHAPTERS = {
    "basic-troubleshooting": "Basic Troubleshooting",
    "installation-error": "Installation Error: pdagent.service not found",
    "outqueue-troubleshooting": "Outqueue Troubleshooting",
    "outqueue-directories": "Outqueue Directories",
    "manually-purge-the-queue": "Manually Purge the Queue",
    "network-troubleshooting": "Network Troubleshooting",
    "dns": "Network Troubleshooting: DNS",
    "reachability": "Network Troubleshooting: Reachability",
    "tcp-connection": "Network Troubleshooting: TCP Connection",
    "testing-tls": "Testing TLS",
    "proxy-troubleshooting": "Proxy Troubleshooting",
    "proxy-network-issues": "Proxy Troubleshooting: Network Issues",
    "environment-variables": "Proxy Troubleshooting: Environment Variables",
}


@dataclass(frozen=True)
class Finding:
    """What one check found.

    summary: what was seen, in one sentence.
    expected: what a healthy host shows; given with every warn and fail.
    fix: what to do, in words; command: the one command to run for it.
    detail: facts for programs, JSON values only; other checks read them too.
    cause: for a skip, the id of the failed check that makes this one moot.
    guide: the chapter's anchor where it differs from the check's own.
    """

    status: str
    summary: str
    expected: str = ""
    fix: str = ""
    command: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    cause: str = ""
    guide: str = ""


Results = Mapping[str, Finding]


@dataclass(frozen=True)
class Check:
    """One question about this host.

    needs: checks without whose success this one cannot be judged: it is skipped.
    after: checks it only waits for, to read what they saw.
    follows: checks whose failure explains a failure here, which then becomes a skip.
    limit: seconds after which the check is given up.
    """

    id: str
    group: str
    question: str
    guide: str
    run: Callable[[Context, Results], Finding]
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()
    limit: float = 10.0
    network: bool = False


@dataclass(frozen=True)
class Result:
    """A check's Finding and how long it took, in seconds."""

    id: str
    group: str
    finding: Finding
    seconds: float


def ok(summary: str, **detail: Any) -> Finding:
    """Return a Finding that all is well."""
    return Finding(OK, summary, detail=detail)


def skip(summary: str, **detail: Any) -> Finding:
    """Return a Finding that the question does not arise here or cannot be asked."""
    return Finding(SKIP, summary, detail=detail)


def outdated(
    summary: str, *, expected: str, command: str, status: str = WARN, **detail: Any
) -> Finding:
    """Return a Finding that the daemon runs with less than the disk holds.

    A restart is all it takes; `detail.outdated` says so to programs.
    """
    detail["outdated"] = True
    return Finding(status, summary, expected, "restart the agent", command, detail)


def no_rights(what: str) -> Finding:
    """Return a Finding that the caller may not see what the check looks at."""
    return Finding(SKIP, f"{what}: run with sudo", command="sudo pd-doctor")


def run_checks(
    checks: Sequence[Check], context: Context, *, limit: float, offline: bool = False
) -> list[Result]:
    """Run checks, each as soon as those it rests on are done; return results in their order.

    limit is the time in seconds for the whole run: what has not answered by then fails.
    """
    if offline:
        checks = [_offline(check) if check.network else check for check in checks]
    results = _Run(checks, context, time.monotonic() + limit).results()
    return trace_causes(checks, results)


def with_needs(wanted: Iterable[str], checks: Sequence[Check]) -> list[Check]:
    """Return the wanted checks and all that they rest on, in the order of checks."""
    by_id = {check.id: check for check in checks}
    chosen: set[str] = set()
    pending = list(wanted)
    while pending:
        check = by_id.get(pending.pop())
        if check and check.id not in chosen:
            chosen.add(check.id)
            pending.extend(check.needs + check.after + check.follows)
    return [check for check in checks if check.id in chosen]


def trace_causes(checks: Sequence[Check], results: Sequence[Result]) -> list[Result]:
    """Turn failures that follow from another failure into skips that name the root."""
    follows = {check.id: check.follows for check in checks}
    findings = {result.id: result.finding for result in results}
    causes = {
        id_: next((one for one in follows[id_] if findings[one].status == FAIL), "")
        if finding.status == FAIL
        else finding.cause
        for id_, finding in findings.items()
    }

    def root(id_: str) -> str:
        while causes.get(id_):
            id_ = causes[id_]
        return id_

    return [_blame(result, root(result.id)) for result in results]


def _blame(result: Result, root: str) -> Result:
    if root == result.id:
        return result
    return replace(result, finding=replace(result.finding, status=SKIP, cause=root))


def _offline(check: Check) -> Check:
    return replace(check, run=lambda _context, _results: skip("not asked: --offline"))


class _Run:
    """One run of a set of checks: threads, what is done, and what is left."""

    def __init__(self, checks: Sequence[Check], context: Context, deadline: float) -> None:
        self._checks = checks
        self._context = context
        self._deadline = deadline
        self._ids = {check.id for check in checks}
        self._waiting = list(checks)
        self._started: dict[str, float] = {}
        self._done: dict[str, Result] = {}
        self._answers: queue.Queue[tuple[Check, Finding]] = queue.Queue()

    def results(self) -> list[Result]:
        while len(self._done) < len(self._checks):
            self._start_ready()
            self._collect()
            self._give_up_late()
        return [self._done[check.id] for check in self._checks]

    def _start_ready(self) -> None:
        for check in [one for one in self._waiting if self._is_ready(one)]:
            self._waiting.remove(check)
            self._started[check.id] = time.monotonic()
            blocker = self._blocker(check)
            if blocker:
                self._settle(check, blocker)
                continue
            seen = {id_: result.finding for id_, result in self._done.items()}
            args = (check, self._context, seen, self._answers)
            threading.Thread(target=_answer, args=args, daemon=True).start()

    def _is_ready(self, check: Check) -> bool:
        rests_on = self._ids.intersection(check.needs + check.after)
        return rests_on <= self._done.keys()

    def _blocker(self, check: Check) -> Finding | None:
        for id_ in check.needs:
            need = self._done[id_].finding if id_ in self._done else None
            if need and need.status == FAIL:
                return Finding(SKIP, "not asked", cause=id_)
            if need and need.cause:
                return Finding(SKIP, "not asked", cause=need.cause)
        return None

    def _collect(self) -> None:
        running = self._started.keys() - self._done.keys()
        if not running:
            return
        try:
            check, finding = self._answers.get(timeout=self._patience())
        except queue.Empty:
            return
        if check.id not in self._done:
            self._settle(check, finding)

    def _patience(self) -> float:
        ends = [self._end(check) for check in self._running()]
        return max(0.0, min(ends) - time.monotonic())

    def _running(self) -> list[Check]:
        return [c for c in self._checks if c.id in self._started and c.id not in self._done]

    def _end(self, check: Check) -> float:
        return min(self._deadline, self._started[check.id] + check.limit)

    def _give_up_late(self) -> None:
        now = time.monotonic()
        for check in self._running():
            if now >= self._end(check):
                self._settle(check, self._no_answer(check, now))

    def _no_answer(self, check: Check, now: float) -> Finding:
        """Blame the check for its own limit alone, not for what the run has lost elsewhere."""
        own = now >= self._started[check.id] + check.limit
        return Finding(
            FAIL if own else WARN,
            f"no answer within {now - self._started[check.id]:.0f} s",
            expected="an answer in time",
            fix="something that this check touches hangs: ask again for this check alone",
            command=f"sudo pd-doctor -v --check {check.id}",
        )

    def _settle(self, check: Check, finding: Finding) -> None:
        seconds = time.monotonic() - self._started[check.id]
        self._done[check.id] = Result(check.id, check.group, finding, round(seconds, 3))


def _answer(
    check: Check, context: Context, seen: Results, answers: queue.Queue[tuple[Check, Finding]]
) -> None:
    try:
        finding = check.run(context, seen)
    except PermissionError as error:
        where = f" to {error.filename}" if error.filename else ""
        finding = no_rights(f"no access{where}")
    except Exception as error:  # a broken check must not take the others with it
        finding = Finding(
            WARN,
            f"the check itself broke: {type(error).__name__}: {error}",
            expected="an answer",
            fix="send the bundle to support",
            command="sudo pd-doctor --report pd-doctor.tar.gz",
        )
    answers.put((check, finding))
