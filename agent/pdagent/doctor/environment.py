"""The guide's chapter "Environment Variables": what the daemon was started with."""

from __future__ import annotations

from pdagent.doctor import units
from pdagent.doctor.check import FAIL, WARN, Check, Finding, Results, no_rights, ok, outdated, skip
from pdagent.doctor.host import SYSTEMD, Context, changed_since
from pdagent.doctor.proxy import PROXY_NAMES, take, variable

_TLS_NAMES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_AS_CONFIGURED = "the process has the variables that its service configuration holds"


def environment(context: Context, _results: Results) -> Finding:
    """Compare the daemon's environment with what its service would give it now."""
    process = context.host.process
    if process is None:
        return skip("no running daemon")
    if process.environ is None:
        return no_rights("the daemon's environment is hidden")
    if context.host.private:
        return _fine(context)
    if context.host.configured is None:
        return _judged_by_age(context, process.started_at)
    configured, actual = context.host.configured, process.environ
    differing = [n for n in PROXY_NAMES if variable(configured, n) != variable(actual, n)]
    differing += [n for n in _TLS_NAMES if configured.get(n, "") != actual.get(n, "")]
    if differing:
        return outdated(
            f"pdagentd was started before {', '.join(differing)} changed",
            expected=_AS_CONFIGURED,
            command=_reload_command(context),
            status=FAIL,
            differing=differing,
        )
    shell_only = [
        n
        for n in PROXY_NAMES[:3]
        if variable(context.caller_environ, n) and not variable(actual, n)
    ]
    if shell_only:
        return Finding(
            WARN,
            f"your shell has {', '.join(shell_only)}, the daemon has not",
            expected="the daemon uses the same proxy, if it needs one",
            fix="give the service the variable if the network needs a proxy",
            command=f"{_edit_command(context)} && {context.host.service_command('restart')}",
            detail={"shell_only": shell_only},
        )
    return _fine(context)


def _judged_by_age(context: Context, started_at: float) -> Finding:
    """A file with a password is for root to read, but when it changed is for all to see."""
    changed = [path for path in units.ENVIRONMENT_FILES if changed_since(path, started_at)]
    if not changed:
        return _fine(context)
    return outdated(
        f"pdagentd was started before {changed[0]} changed",
        expected=_AS_CONFIGURED,
        command=take(context, changed[0]),
    )


def _fine(context: Context) -> Finding:
    environ, source = context.host.environment
    named = [name for name in PROXY_NAMES if variable(environ, name)]
    described = f"{', '.join(named) or 'no proxy variables'} (from {source})"
    return ok(described, source=source)


def _edit_command(context: Context) -> str:
    if context.host.init == SYSTEMD:
        return "sudo systemctl edit pdagent"
    return f"sudoedit {units.environment_file()}"


def _reload_command(context: Context) -> str:
    restart = context.host.service_command("restart")
    return f"sudo systemctl daemon-reload && {restart}" if context.host.init == SYSTEMD else restart


CHECKS = (
    Check(
        id="service.env",
        group="service",
        question="Does the daemon have the environment that its service configuration holds?",
        guide="environment-variables",
        run=environment,
        needs=("service.running",),
    ),
)
