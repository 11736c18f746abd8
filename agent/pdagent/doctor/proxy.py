"""The guide's chapter "Proxy Troubleshooting"."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import replace

from pdagent.doctor import probe, units
from pdagent.doctor.check import FAIL, WARN, Check, Finding, Results, ok, skip
from pdagent.doctor.destinations import Destination, Proxy
from pdagent.doctor.host import Context
from pdagent.doctor.network import addresses_of, find_connections, find_names

_NO_PROXY = "no proxy is set for the daemon"
_TUNNEL_SECONDS = 6.0
PROXY_NAMES = ("https_proxy", "http_proxy", "all_proxy", "no_proxy")


def config(context: Context, _results: Results) -> Finding:
    """Look at the proxy variables as the daemon has them, and at what they mean per host."""
    proxied = context.proxied()
    ways = {one.host: str(one.proxy) if one.proxy else "direct" for one in context.destinations}
    if not proxied:
        return _without_proxy(context, ways)
    wrong = next((one.proxy for one in proxied if one.proxy and one.proxy.problem), None)
    if wrong:
        return _proxy_failure(
            context,
            f"the proxy variable is malformed: {wrong.problem}",
            "a URL like http://proxy.local:8118",
            f"http://{wrong.host or 'HOST'}:PORT",
            ways,
        )
    tls = next((one for one in proxied if one.proxy and one.proxy.scheme == "https"), None)
    if tls and tls.proxy and _speaks_plain(tls, context.settings.source_address):
        right = f"http://{tls.proxy.host}:{tls.proxy.port}"
        return _proxy_failure(
            context,
            f"the proxy {tls.proxy} is named with https://, but speaks plain HTTP",
            f"{right}: the scheme is that of the way to the proxy",
            right,
            ways,
        )
    return ok("; ".join(f"{name} via {way}" for name, way in ways.items()), ways=ways)


def _without_proxy(context: Context, ways: Mapping[str, str]) -> Finding:
    own = _own_name(context)
    if proxy_variable(context, own) or proxy_variable(context, "all_proxy"):
        hosts = ", ".join(one.host for one in context.destinations)
        return ok(f"no_proxy exempts {hosts}", ways=ways)
    other = "http_proxy" if own == "https_proxy" else "https_proxy"
    if not proxy_variable(context, other):
        return ok(_NO_PROXY, ways=ways)
    where = units.origin_of(other)
    return Finding(
        WARN,
        f"{other} is set and {own} is not, so events go out without a proxy",
        expected=f"{own}, if the network needs a proxy",
        fix=f"set {own} beside it",
        command=f"sudoedit {where} && {take(context, where)}",
        detail={"ways": dict(ways)},
    )


def _own_name(context: Context) -> str:
    """Return the variable that counts for the events' URL."""
    return "https_proxy" if context.events.tls else "http_proxy"


def _name(context: Context) -> str:
    """Return the variable that names the events' proxy: the URL's own comes before all_proxy."""
    own = _own_name(context)
    return own if proxy_variable(context, own) else "all_proxy"


def proxy_variable(context: Context, name: str) -> str:
    """Return a proxy variable of the daemon's environment, in either case."""
    return variable(context.host.environment[0], name)


def variable(environ: Mapping[str, str], name: str) -> str:
    """Return a variable by its name in small letters, else in capitals."""
    return environ.get(name) or environ.get(name.upper(), "")


def _speaks_plain(destination: Destination, source: str) -> bool:
    """Tell whether the peer answers a TLS hello with something that is not TLS."""
    host_name, port = destination.peer
    found = probe.look_up(host_name, limit=2.0)
    for address in found.addresses:
        try:
            tcp = probe.connect(address, port, source, timeout=2.0)
        except OSError:
            continue
        try:
            with tcp, _any_tls().wrap_socket(tcp, server_hostname=host_name):
                return False
        except ssl.SSLError as error:
            return error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
        except OSError:
            return False
    return False


def _any_tls() -> ssl.SSLContext:
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    return tls


def _proxy_failure(
    context: Context, seen: str, expected: str, right: str, ways: Mapping[str, str]
) -> Finding:
    return Finding(
        FAIL,
        seen,
        expected=expected,
        fix=f"correct {_name(context)} where the service gets its environment",
        command=set_variable(context, _name(context), right),
        detail={"ways": dict(ways)},
        guide="environment-variables",
    )


def set_variable(context: Context, name: str, value: str) -> str:
    """Return the command that sets a variable of the service and has the daemon take it."""
    where = units.origin_of(name)
    edit = f"sudo sed -i -E 's|({name})=[^\" ]*|\\1={value}|I' {where}"
    return f"{edit} && {take(context, where)}"


def take(context: Context, where: str) -> str:
    """Return the command that has the daemon take what was changed in a file of its service."""
    reload = "sudo systemctl daemon-reload && " if where.endswith(".conf") else ""
    return reload + context.host.service_command("restart")


def dns(context: Context, _results: Results) -> Finding:
    """Look up the proxy's name."""
    if not context.proxied():
        return skip(_NO_PROXY)
    finding = find_names(context.proxied())
    if finding.status == FAIL:
        return replace(finding, fix=f"{finding.fix}; or correct the name in {_name(context)}")
    return finding


def tcp(context: Context, results: Results) -> Finding:
    """Connect to the proxy."""
    if not context.proxied():
        return skip(_NO_PROXY)
    return find_connections(context, context.proxied(), results)


def connect(context: Context, results: Results) -> Finding:
    """Ask the proxy for a tunnel to each host."""
    if not context.proxied():
        return skip(_NO_PROXY)
    statuses = {}
    for one in context.proxied():
        try:
            probe.open_to(
                one,
                addresses_of(one, results),
                context.settings.source_address,
                timeout=_TUNNEL_SECONDS,
            ).close()
        except OSError as error:
            return _refused(context, one, error)
        statuses[str(one)] = 200
    return ok(f"CONNECT to {', '.join(statuses)}: 200", status=statuses)


def _refused(context: Context, destination: Destination, error: OSError) -> Finding:
    status = error.status if isinstance(error, probe.ProxyRefusedError) else 0
    seen, fix = _REFUSALS.get(status, (str(error) or probe.word(error), "look at the proxy's log"))
    return Finding(
        FAIL if destination is context.events else WARN,
        f"the proxy refuses CONNECT to {destination}: {seen}",
        expected="200",
        fix=fix,
        command=_refusal_command(context, status, destination),
        detail={"status": {str(destination): status}},
    )


_REFUSALS = {
    407: ("407, it wants a user and password", "put user:password@ before the proxy's host name"),
    403: ("403, its rules forbid it", "have the proxy's rules allow CONNECT to that host"),
    502: ("502, it cannot reach PagerDuty itself", "mend the proxy's own way out"),
    500: ("500, it cannot reach PagerDuty itself", "mend the proxy's own way out"),
    503: ("503, it cannot reach PagerDuty itself", "mend the proxy's own way out"),
    504: ("504, PagerDuty does not answer it", "mend the proxy's own way out"),
    0: ("no HTTP answer: is that port a proxy's?", "correct the proxy's host and port"),
}


def _refusal_command(context: Context, status: int, destination: Destination) -> str:
    proxy = destination.proxy
    if status == 407 and proxy:
        return set_variable(context, _name(context), _with_user(proxy))
    return f"curl -v --proxy {proxy} https://{destination}/"


def _with_user(proxy: Proxy) -> str:
    return f"{proxy.scheme}://USER:PASSWORD@{proxy.host}:{proxy.port}"


CHECKS = (
    Check(
        id="proxy.config",
        group="proxy",
        question="Are the daemon's proxy variables sound, and which hosts go through the proxy?",
        guide="environment-variables",
        run=config,
        follows=("service.env",),
        limit=7.0,
        network=True,
    ),
    Check(
        id="proxy.dns",
        group="proxy",
        question="Does the proxy's name have an address?",
        guide="proxy-network-issues",
        run=dns,
        needs=("proxy.config",),
        follows=("net.route", "service.env"),
        limit=8.0,
        network=True,
    ),
    Check(
        id="proxy.tcp",
        group="proxy",
        question="Does the proxy take TCP connections?",
        guide="proxy-network-issues",
        run=tcp,
        needs=("proxy.dns", "net.route"),
        follows=("service.env",),
        limit=7.0,
        network=True,
    ),
    Check(
        id="proxy.connect",
        group="proxy",
        question="Does the proxy open tunnels to PagerDuty's hosts?",
        guide="proxy-network-issues",
        run=connect,
        needs=("proxy.tcp",),
        after=("net.dns",),
        follows=("service.env",),
        limit=14.0,
        network=True,
    ),
)
