"""pd-doctor: find out why no event arrives, and what to do about it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from pdagent import __version__, settings
from pdagent.doctor import host as hosts
from pdagent.doctor import isolate, report
from pdagent.doctor.catalogue import all_checks
from pdagent.doctor.check import FAIL, Check, Result, run_checks, with_needs
from pdagent.doctor.host import Context, Host

RUN_SECONDS = 18.0
_DONE, _FAILED, _USAGE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run pd-doctor; return 0 without failure, 1 with, 2 for wrong usage."""
    options = parser().parse_args(argv)
    checks = all_checks()
    if options.list_checks:
        return list_checks(checks)
    wanted = [id_ for given in options.check or () for id_ in given.split(",")]
    unknown = sorted(set(wanted) - {check.id for check in checks})
    if unknown:
        sys.stderr.write(f"pd-doctor: no check {unknown[0]}: see pd-doctor --list-checks\n")
        return _USAGE
    started = time.monotonic()
    host = look(options.config)
    chosen = with_needs(wanted, checks) if wanted else list(checks)
    results = examine(host, chosen, options)
    if wanted:
        results = [r for r in results if r.id in wanted or r.finding.status == FAIL]
    show(results, checks, host, options, time.monotonic() - started)
    return _FAILED if any(result.finding.status == FAIL for result in results) else _DONE


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(
        prog="pd-doctor",
        description="Find out why no event reaches PagerDuty, and what to do about it.",
        epilog="Exit codes: 0 no failure, 1 at least one failure, 2 wrong usage.",
    )
    made.add_argument("--version", action="version", version=f"pd-doctor {__version__}")
    made.add_argument("--config", metavar="FILE", help="configuration file (or PDAGENT_CONFIG)")
    made.add_argument("--json", action="store_true", help="print the results as JSON")
    made.add_argument("-v", "--verbose", action="store_true", help="print all that was seen")
    made.add_argument("--list-checks", action="store_true", help="print the checks and stop")
    made.add_argument("--check", metavar="ID", action="append", help="run only these checks")
    made.add_argument("--offline", action="store_true", help="ask nothing over the network")
    made.add_argument("-k", "--service-key", metavar="KEY", default="", help="integration key")
    return made


def list_checks(checks: Sequence[Check]) -> int:
    """Print each check's id and question."""
    for check in checks:
        print(f"{check.id:<16} {check.question}")
    return _DONE


def look(config: str | None) -> Host:
    """Read the configuration and gather the facts about this host."""
    path = config or os.environ.get("PDAGENT_CONFIG", "")
    try:
        loaded, error = settings.load(path), ""
    except settings.SettingsError as problem:
        loaded, error = settings.Settings(), str(problem)
    return hosts.look(path or settings.DEFAULT_PATH, loaded, error)


def examine(host: Host, checks: Sequence[Check], options: argparse.Namespace) -> list[Result]:
    """Run the checks as the daemon's user, in the daemon's environment."""
    caller = dict(os.environ)

    def work() -> list[Result]:
        context = Context(
            host=host,
            destinations=hosts.destinations(host.settings),
            key=options.service_key,
            caller_environ=caller,
        )
        return run_checks(checks, context, limit=RUN_SECONDS, offline=options.offline)

    return isolate.as_daemon(work, host.environment[0], daemon_uid(host))


def daemon_uid(host: Host) -> int | None:
    """Return the uid that the daemon has or would have; None where nobody knows."""
    if host.process:
        return host.process.uid
    try:
        return os.stat(host.settings.data_dir).st_uid
    except OSError:
        return None


def show(
    results: Sequence[Result],
    checks: Sequence[Check],
    host: Host,
    options: argparse.Namespace,
    seconds: float,
) -> None:
    """Print the report."""
    if options.json:
        facts = {"host": hosts.name(), "config": host.config_path}
        print(report.as_json(results, checks, facts))
        return
    text = report.Text(checks, terminal=sys.stdout.isatty(), verbose=options.verbose)
    sys.stdout.write(text.render(results, heading(host), seconds))


def heading(host: Host) -> str:
    """Return the first line: who looks at what, from where."""
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    return (
        f"pd-doctor {__version__} on {hosts.name()}, {now},"
        f" with the environment of {host.environment[1]}"
    )
