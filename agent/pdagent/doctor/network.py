"""The guide's chapter "Network Troubleshooting": names, routes, ping, TCP.

Each question is asked of the hosts that are reached directly; the proxy chapter asks
the same of the proxy. A host that only the heartbeat needs can warn, never fail:
events are delivered without it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence

from pdagent.doctor import dnsquery, host, probe, resolvers
from pdagent.doctor.check import FAIL, OK, WARN, Check, Finding, Results, ok, skip
from pdagent.doctor.destinations import EVENTS, Destination
from pdagent.doctor.host import Context

CONNECT_SECONDS = 5.0
LOOKUP_SECONDS = 5.5
_PING_ANSWERED, _PING_SILENCE = 0, 1  # exit codes of ping(8)
ANY_SOURCE = "0.0.0.0"  # noqa: S104 - the setting's default; never listened on


def dns(context: Context, _results: Results) -> Finding:
    """Look up every host that is reached directly."""
    if not context.direct():
        return skip("the proxy looks up the names")
    return find_names(context.direct())


def find_names(destinations: Sequence[Destination]) -> Finding:
    """Look up the peers of destinations and tell denial, failure and silence apart."""
    roles = {one.peer[0]: one.role for one in reversed(destinations)}
    names = list(dict.fromkeys(one.peer[0] for one in destinations))
    lookups = probe.in_parallel(lambda name: probe.look_up(name, limit=LOOKUP_SECONDS), names)
    detail = {one.host: _lookup_detail(one) for one in lookups}
    broken = [one for one in lookups if not one.addresses]
    if not broken:
        resolvers = dnsquery.nameservers()
        return ok(_lookup_summary(lookups[0]), hosts=detail, resolvers=resolvers)
    worst = broken[0]
    status = FAIL if roles[worst.host] == EVENTS else WARN
    seen, fix, command = _explain(worst)
    return Finding(
        status,
        seen,
        expected=f"an address for {worst.host}",
        fix=fix,
        command=command,
        detail={"hosts": detail},
    )


def _lookup_detail(lookup: probe.Lookup) -> dict[str, object]:
    return {
        "addresses": lookup.addresses,
        "error": lookup.error,
        "servers": lookup.servers,
        "seconds": lookup.seconds,
    }


def _lookup_summary(lookup: probe.Lookup) -> str:
    six = sum(1 for address in lookup.addresses if ":" in address)
    four = len(lookup.addresses) - six
    families = [f"{count} {name}" for count, name in ((four, "IPv4"), (six, "IPv6")) if count]
    return f"{lookup.host}: {' and '.join(families)} in {lookup.seconds * 1000:.0f} ms"


def _explain(lookup: probe.Lookup) -> tuple[str, str, str]:
    """Return what was seen, what to do, and the command for a name without address."""
    answers = lookup.servers
    good = [server for server, answer in answers.items() if answer == dnsquery.NOERROR]
    bad = [server for server in answers if server not in good]
    if good and not bad:
        return (
            f"{good[0]} knows {lookup.host}, the system's lookup does not: {lookup.error}",
            'the line "hosts:" there must hold dns',
            "sudoedit /etc/nsswitch.conf",
        )
    first = bad[0] if bad else "?"
    answer = answers.get(first, lookup.error)
    seen, fix = _EXPLANATIONS.get(answer, _OTHER_ANSWER)
    words = {"name": lookup.host, "server": first, "answer": answer}
    return seen.format(**words), fix.format(**words), resolvers.command(first, answer, good)


_OTHER_ANSWER = (
    "{server} answers {answer} for {name}",
    "name a resolver that answers for public names",
)
_EXPLANATIONS = {
    dnsquery.NXDOMAIN: (
        "{name} does not exist, says {server} (NXDOMAIN)",
        "name a resolver that knows public names, or use a proxy",
    ),
    dnsquery.SERVFAIL: (
        "{server} cannot find out about {name} (SERVFAIL)",
        "that resolver's own way to the internet is broken: mend it or name another",
    ),
    dnsquery.TIMEOUT: (
        "{server} does not answer for {name} (timed out)",
        "name a resolver that can be reached, or open UDP and TCP 53 to this one",
    ),
    dnsquery.UNREACHABLE: (
        "the resolver {server} cannot be reached from here",
        "name a resolver that can be reached, or give it a route",
    ),
    dnsquery.CLOSED: (
        "nothing listens on port 53 of the resolver {server}",
        "start the resolver there, or name another",
    ),
}


def route(context: Context, results: Results) -> Finding:
    """Ask the kernel how it would send to each address the daemon connects to."""
    source = context.settings.source_address
    addresses = _all_addresses(results)
    if not addresses and not context.direct() and _routes():
        # Behind a proxy, a network without a way out is as it should be.
        return skip("the way to the proxy shows once its name has an address")
    addresses = addresses or _outside(dnsquery.nameservers())
    if not addresses:
        return _route_without_names()
    ways: dict[str, str] = {}
    errors: dict[str, str] = {}
    for address in addresses:
        try:
            ways[address] = probe.source_for(address, source)
        except OSError as error:
            errors[address] = probe.word(error)
    detail = {"source": ways, "errors": errors}
    if ways:
        sources = sorted(set(ways.values()))
        return ok(f"traffic leaves from {', '.join(sources)}", **detail)
    if probe.BAD_SOURCE in errors.values() or ":" in source:
        return _bad_source(context, detail)
    return _no_route(addresses[0], detail)


def _outside(addresses: Iterable[str]) -> list[str]:
    return [one for one in addresses if not one.startswith("127.") and one != "::1"]


def _all_addresses(results: Results) -> list[str]:
    found = []
    for id_ in ("net.dns", "proxy.dns"):
        hosts = results[id_].detail.get("hosts", {}) if id_ in results else {}
        found += [address for one in hosts.values() for address in one["addresses"]]
    return list(dict.fromkeys(found))


def _looked_up(name: str, results: Results) -> list[str]:
    """Return the addresses that the name checks found for name."""
    for id_ in ("net.dns", "proxy.dns"):
        hosts = results[id_].detail.get("hosts", {}) if id_ in results else {}
        if name in hosts:
            return list(hosts[name]["addresses"])
    return []


def addresses_of(destination: Destination, results: Results) -> list[str]:
    """Return the addresses of destination's peer: those that take connections, if known."""
    found = _looked_up(destination.peer[0], results)
    tried = [
        attempt
        for id_ in ("net.tcp", "proxy.tcp")
        if id_ in results
        for attempt in results[id_].detail.get("attempts", [])
        if attempt["address"] in found
    ]
    return [one["address"] for one in tried if not one["error"]] or found


def _route_without_names() -> Finding:
    if _routes() & _DEFAULT_ROUTES:
        return ok("there is a default route", source={}, errors={})
    return _no_route("the internet", {"source": {}, "errors": {}})


_DEFAULT_ROUTES = {"0" * 8, "0" * 32}
_NO_DESTINATIONS = ("Destination", "fe80", "ff00")  # the heading; what every IPv6 link has


def _routes() -> set[str]:
    """Return where this host's routes lead to, in hexadecimal digits as /proc has them."""
    rows = []
    for path, column in (("/proc/net/route", 1), ("/proc/net/ipv6_route", 0)):
        try:
            with open(path, encoding="ascii") as file:
                rows += [(line.split()[column], line.split()) for line in file]
        except OSError:
            continue
    found = {destination for destination, words in rows if "lo" not in words}
    return {one for one in found if not one.startswith(_NO_DESTINATIONS)}


def _bad_source(context: Context, detail: dict[str, dict[str, str]]) -> Finding:
    source = context.settings.source_address
    return Finding(
        FAIL,
        f"source_address {source} cannot send to PagerDuty from this host",
        expected="0.0.0.0, which lets the system choose, or an address of this host",
        fix="let the system choose the address",
        command=context.host.set_command("source_address", ANY_SOURCE),
        detail=detail,
        guide="network-troubleshooting",
    )


def _no_route(target: str, detail: dict[str, dict[str, str]]) -> Finding:
    return Finding(
        FAIL,
        f"there is no route to {target}",
        expected="a default route, or one to PagerDuty or the proxy",
        fix="bring the network up, or add the route by hand",
        command=_route_command(),
        detail=detail,
        guide="network-troubleshooting",
    )


def _route_command() -> str:
    """Return the command that brings the route back: the network's manager, or ip by hand."""
    for unit in ("systemd-networkd", "NetworkManager", "networking"):
        if host.run(["systemctl", "is-active", unit]).strip() == "active":
            return f"sudo systemctl restart {unit}"
    for row in host.run(["ip", "-4", "-o", "addr", "show", "scope", "global"]).splitlines():
        words = row.split()
        gateway = words[3].rpartition(".")[0] + ".1"
        return f"sudo ip route add default via {gateway} dev {words[1]}"
    return "sudo ip link set eth0 up"


def tcp(context: Context, results: Results) -> Finding:
    """Connect to every address of every host that is reached directly."""
    if not context.direct():
        return skip("all connections go to the proxy")
    return find_connections(context, context.direct(), results)


def find_connections(
    context: Context, destinations: Sequence[Destination], results: Results
) -> Finding:
    """Connect to the peers of destinations and tell refusal, silence and rejection apart."""
    roles: dict[tuple[str, int], str] = {}
    for one in destinations:
        roles.setdefault(one.peer, one.role)
    targets = [(found, peer) for peer in roles for found in _looked_up(peer[0], results)]
    source = context.settings.source_address
    attempts = probe.in_parallel(
        lambda target: probe.try_connect(target[0], target[1][1], source, timeout=CONNECT_SECONDS),
        targets,
    )
    detail = {"attempts": [one.as_json() for one in attempts]}
    for peer, role in roles.items():
        tried = [a for a, (_, owner) in zip(attempts, targets) if owner == peer]
        if tried and all(one.error for one in tried):
            return _unconnected(context, peer, tried, FAIL if role == EVENTS else WARN, detail)
    return _connected(attempts, detail)


def _connected(attempts: Sequence[probe.Attempt], detail: Mapping[str, object]) -> Finding:
    good = [one for one in attempts if not one.error]
    slow = [one for one in attempts if one.error == probe.TIMEOUT]
    best = min((one.seconds for one in good), default=0.0)
    text = f"{len(good)} of {len(attempts)} addresses connect, in {best * 1000:.1f} ms"
    if not slow:
        return Finding(OK, text, detail=detail)
    return Finding(
        WARN,
        f"{text}; {slow[0].address} times out, which delays every event",
        expected="every address connects or is refused at once",
        fix=f"open outgoing TCP {slow[0].port} to it, too",
        command=f"nc -v -w 5 {slow[0].address} {slow[0].port}",
        detail=detail,
    )


def _unconnected(
    context: Context,
    peer: tuple[str, int],
    tried: Sequence[probe.Attempt],
    status: str,
    detail: Mapping[str, object],
) -> Finding:
    words = sorted({one.error for one in tried})
    name, port = peer
    where = f"{tried[0].address}:{port}" if len(tried) == 1 else f"{len(tried)} addresses"
    return Finding(
        status,
        f"TCP to {name}:{port} fails: {', '.join(words)} ({where})",
        expected=f"a connection to port {port} within {CONNECT_SECONDS:.0f} s",
        fix=_ADVICE.get(tried[0].error, "look at the firewalls between here and there"),
        command=_firewall_command(context, tried[0]),
        detail=detail,
    )


_ADVICE = {
    probe.TIMEOUT: "a firewall drops the packets: have outgoing TCP to that port opened"
    " (guide: Safelist IPs)",
    probe.REFUSED: "the connection is refused on the way or nothing listens there: have"
    " outgoing TCP to that port opened",
}


def _firewall_command(context: Context, attempt: probe.Attempt) -> str:
    """Return how to let it through where this host's own rules hold it back."""
    for chain in context.host.firewall:
        return f"sudo nft insert rule {chain} tcp dport {attempt.port} accept"
    return f"nc -v -w 5 {attempt.address} {attempt.port}"


def ping(context: Context, results: Results) -> Finding:
    """Send three ICMP echoes; information only, because ICMP is often filtered."""
    peer = context.events.peer[0]
    addresses = addresses_of(context.events, results)
    if not shutil.which("ping") or not addresses:
        return skip("there is no ping here" if addresses else f"{peer} has no address yet")
    status, words = host.call(["ping", "-q", "-n", "-c", "3", "-i", "0.2", "-W", "1", addresses[0]])
    if status not in (_PING_ANSWERED, _PING_SILENCE):
        return skip("ping may not be used here")
    times = re.search(r"= [\d.]+/([\d.]+)/", words)
    if not times:
        return ok(f"{peer} gave no answer to ICMP, which is often filtered")
    lost = re.search(r"([\d.]+)%", words)
    loss = f", {lost.group(1)} % of the packets are lost" if lost and float(lost.group(1)) else ""
    return ok(f"{peer} answers ICMP in {float(times.group(1)):.1f} ms{loss}")


CHECKS = (
    Check(
        id="net.dns",
        group="network",
        question="Do the names of PagerDuty's hosts have addresses?",
        guide="dns",
        run=dns,
        follows=("net.route", "service.env"),
        limit=8.0,
        network=True,
    ),
    Check(
        id="net.route",
        group="network",
        question="Is there a route, and from which address?",
        guide="network-troubleshooting",
        run=route,
        after=("net.dns", "proxy.dns"),
        follows=("service.env",),
        limit=3.0,
        network=True,
    ),
    Check(
        id="net.ping",
        group="network",
        question="Does PagerDuty answer ICMP? (information only)",
        guide="reachability",
        run=ping,
        needs=("net.dns", "net.route"),
        after=("proxy.dns",),
        network=True,
    ),
    Check(
        id="net.tcp",
        group="network",
        question="Does every address take TCP connections?",
        guide="tcp-connection",
        run=tcp,
        needs=("net.dns", "net.route"),
        follows=("service.env",),
        limit=7.0,
        network=True,
    ),
)
