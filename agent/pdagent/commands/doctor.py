"""pd-doctor: find out why no event arrives, and what to do about it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

from pdagent import settings, submission
from pdagent.commands import console, keyfile
from pdagent.commands.options import FLAG, REPEAT, Arguments, Command, Option
from pdagent.doctor import bundle, fix, isolate, report
from pdagent.doctor import host as hosts
from pdagent.doctor.catalogue import all_checks
from pdagent.doctor.check import FAIL, Check, Result, run_checks, with_needs
from pdagent.doctor.host import Context, Host
from pdagent.doctor.redact import Redactor
from pdagent.doctor.sendtest import WAIT_SECONDS

NAME = "pd-doctor"
RUN_SECONDS = 18.0
FAILED = 1
_FIX_ROUNDS = 4

COMMAND = Command(
    NAME,
    (
        Option("--json", form=FLAG, help="print the results as JSON (docs/doctor-schema.json)"),
        Option("-v", "--verbose", form=FLAG, help="print all that each check saw"),
        Option("--list-checks", form=FLAG, help="print the checks and end"),
        Option(
            "--check", form=REPEAT, metavar="ID[,ID]", help="run only these, and what they rest on"
        ),
        Option("--offline", form=FLAG, help="ask nothing over the network"),
        Option("--fix", form=FLAG, help="mend what can be mended safely; asks on a terminal"),
        Option("--send-test", form=FLAG, help="send a test event and wait for PagerDuty's answer"),
        Option("-k", "--service-key", help="integration key, for --send-test and key.format"),
        keyfile.KEY_FILE,
        Option("--report", metavar="FILE", help="write a bundle for support, without secrets"),
    ),
    description="Find out why no event reaches PagerDuty, and what to do about it.",
    epilog="--fix runs only these, each shown first:\n"
    + "\n".join(f"  {meaning}" for meaning in dict.fromkeys(text for _, text in fix.SAFE))
    + "\n\nexit codes: 0 no failure, 1 at least one failure, 2 usage",
)


def main(argv: list[str]) -> int:
    """Run pd-doctor; return 0 without failure, 1 with; wrong usage ends with 2."""
    return console.run(COMMAND, argv, _diagnose)


def _diagnose(args: Arguments) -> int:
    checks = all_checks()
    if args.list_checks:
        console.say("\n".join(f"{check.id:<16} {check.question}" for check in checks))
        return console.DONE
    wanted = _wanted(args, checks)
    key = _key(args)
    visit = Visit(args, checks, wanted, key)
    try:
        visit.examine()
        if args.fix:
            visit.mend()
    except isolate.ChildError as error:
        console.complain(f"{NAME}: {error}; see the configuration with --check config.parse")
        return console.COULD_NOT
    if args.report and not visit.write_bundle(args.report):
        return console.COULD_NOT
    console.say(visit.as_json() if args.json else visit.as_text())
    return FAILED if visit.failed else console.DONE


def _wanted(args: Arguments, checks: Sequence[Check]) -> list[str]:
    wanted = [id_.strip() for given in args.check for id_ in given.split(",")]
    unknown = [id_ for id_ in wanted if id_ not in {check.id for check in checks}]
    if unknown:
        COMMAND.usage_error(f"argument --check: there is no {unknown[0]!r}: see --list-checks")
    return wanted


def _key(args: Arguments) -> str:
    if args.send_test or args.service_key or args.key_file:
        return keyfile.integration_key(args.service_key, args.key_file, "-k/--service-key")
    return ""


class Visit:
    """One visit of the doctor: the facts, the results, and what to do with them."""

    def __init__(
        self, args: Arguments, checks: Sequence[Check], wanted: Sequence[str], key: str
    ) -> None:
        """Prepare to run the wanted checks, or all where none is named."""
        self._args = args
        self._all = checks
        self._wanted = wanted
        self._key = key
        self._environ = dict(os.environ)
        self._chosen = with_needs(wanted, checks) if wanted else list(checks)

    def examine(self) -> None:
        """Gather the facts and run the checks as the daemon meets them."""
        started = time.monotonic()
        self._host = _look(self._args.config)
        environ = self._host.environment[0]
        results = isolate.as_daemon(self._run, environ, _uid(self._host))
        self._redact = Redactor.of({**self._environ, **environ}, [self._key])
        self._results = [self._redact.result(r) for r in results if self._is_shown(r)]
        self._seconds = time.monotonic() - started

    def _run(self) -> list[Result]:
        context = Context(
            host=self._host,
            destinations=hosts.destinations(self._host.settings),
            key=self._key,
            send_test=self._args.send_test,
            caller_environ=self._environ,
        )
        limit = RUN_SECONDS + (WAIT_SECONDS if self._args.send_test else 0)
        return run_checks(self._chosen, context, limit=limit, offline=self._args.offline)

    def _is_shown(self, result: Result) -> bool:
        return not self._wanted or result.id in self._wanted or result.finding.status == FAIL

    @property
    def failed(self) -> bool:
        """Whether any check failed."""
        return any(result.finding.status == FAIL for result in self._results)

    def mend(self) -> None:
        """Carry out the safe commands, and look again, until nothing is left to mend."""
        tried: set[str] = set()
        for _ in range(_FIX_ROUNDS):
            todo = [one for one in fix.actions(self._results) if one.command not in tried]
            if not todo:
                return
            tried.update(one.command for one in todo)
            # Look again even after a failure: a unit that is back but does not start uncovers
            # the directories that keep it from starting.
            fix.carry_out(todo, ask=_agree, say=self._tell)
            self.examine()

    def _tell(self, text: str) -> None:
        console.complain(self._redact(text))

    def write_bundle(self, path: str) -> bool:
        """Write the bundle for support; say so, or why not."""
        reports = {"results.json": self.as_json(), "report.txt": self.as_text(plain=True)}
        try:
            count = bundle.write(path, self._host, reports, self._redact)
        except OSError as error:
            console.complain(f"{NAME}: cannot write {path}: {error.strerror}; name another file")
            return False
        console.complain(f"{NAME}: {count} files without secrets in {path}: look before you send")
        return True

    def as_json(self) -> str:
        """Return the report for programs."""
        facts = {"host": hosts.name(), "config": self._host.config_path}
        facts["environment"] = self._host.environment[1]
        return report.as_json(self._results, self._all, facts)

    def as_text(self, *, plain: bool = False) -> str:
        """Return the report for people; plain text even on a terminal if asked for."""
        terminal = not plain and console.is_terminal(sys.stdout) and "NO_COLOR" not in os.environ
        page = report.Text(self._all, terminal=terminal, verbose=plain or self._args.verbose)
        return page.render(self._results, report.heading(self._host), self._seconds)


def _agree(question: str) -> bool:
    """Show what is about to be done; ask on a terminal."""
    if not console.is_terminal(sys.stdin):
        console.complain(question)
        return True
    console.complain(f"{question}? [y/N] ", end="")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _look(config: str | None) -> Host:
    """Read the configuration and gather the facts about this host."""
    path = config or os.environ.get(submission.CONFIG_VARIABLE, "")
    try:
        loaded, error = settings.load(path), ""
    except settings.SettingsError as problem:
        loaded, error = settings.Settings(), str(problem)
    return hosts.look(path or settings.DEFAULT_PATH, loaded, error)


def _uid(host: Host) -> int | None:
    """Return the uid that the daemon has or would have; None where nobody knows."""
    if host.process:
        return host.process.uid
    try:
        return os.stat(host.settings.data_dir).st_uid
    except OSError:
        return None
