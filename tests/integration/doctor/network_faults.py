"""What can break between the host and PagerDuty."""

from __future__ import annotations

from tests.integration.doctor.fault import Deed, Fault, configure, run
from tests.integration.doctor.lab import DROP_INS, GATEWAY, PROXY, RESOLVER, STRANGER, Host, Lab

DROP_IN = f"{DROP_INS}/proxy.conf"


def resolver_says(*options: str) -> Deed:
    """Return a deed after which the name server runs with these options."""
    return lambda lab, _host: lab.serve_names(*options)


def resolver_fails(lab: Lab, _host: Host) -> None:
    """Have a resolver whose own way out is broken: it answers SERVFAIL."""
    lab.stop_names()
    lab.net.write(
        "/tmp/unbound.conf",
        f"server:\n  interface: {GATEWAY}\n  access-control: 0.0.0.0/0 allow\n  chroot: ''\n"
        "  username: ''\n  do-daemonize: yes\n  pidfile: /tmp/unbound.pid\n"
        "  do-not-query-localhost: no\n  outbound-msg-retry: 1\n"
        "forward-zone:\n  name: .\n  forward-addr: 127.0.0.1@9\n",
    )
    lab.net.run(f"exec -a 'unbound {GATEWAY}' unbound -c /tmp/unbound.conf", shell="bash")


def proxied(url: str, squid: str = "http_access allow all", tinyproxy: str = "") -> Deed:
    """Return a deed that runs the proxies and sends the daemon through one."""

    def deed(lab: Lab, host: Host) -> None:
        lab.serve_proxies(squid=squid, tinyproxy=tinyproxy)
        drop_in(host, url)
        host.run("systemctl daemon-reload && systemctl restart pdagent")

    return deed


def drop_in(host: Host, url: str) -> None:
    """Write the proxy into a drop-in, as the guide says."""
    host.run(f"mkdir -p {DROP_INS}")
    host.write(DROP_IN, f'[Service]\nEnvironment="https_proxy={url}"\n')


OTHER_RESOLVER = f"s/{GATEWAY}/{RESOLVER}/"

NETWORK = (
    Fault(
        "the resolver denies the name",
        "net.dns",
        "NXDOMAIN",
        "sudoedit /etc/resolv.conf",
        resolver_says("--address=/#/"),
        edit=OTHER_RESOLVER,
    ),
    Fault(
        "the first of two resolvers denies the name",
        "net.dns",
        "NXDOMAIN",
        f"sudo sed -i '/^nameserver {GATEWAY}$/d' /etc/resolv.conf",
        lambda lab, host: (
            lab.serve_names("--address=/#/"),
            host.run(f"echo nameserver {RESOLVER} >> /etc/resolv.conf"),
        ),
    ),
    Fault(
        "the resolver fails",
        "net.dns",
        "SERVFAIL",
        "sudoedit /etc/resolv.conf",
        resolver_fails,
        edit=OTHER_RESOLVER,
    ),
    Fault(
        "a firewall swallows questions to the resolver",
        "net.dns",
        "timed out",
        "sudoedit /etc/resolv.conf",
        lambda lab, _host: lab.filter(f"ip daddr {GATEWAY} udp dport 53 drop"),
        edit=OTHER_RESOLVER,
    ),
    Fault(
        "no resolver runs",
        "net.dns",
        "nothing listens",
        "sudoedit /etc/resolv.conf",
        lambda lab, _host: lab.stop_names(),
        edit=OTHER_RESOLVER,
    ),
    Fault(
        "there is no default route",
        "net.route",
        "no route to",
        f"sudo ip route add default via {GATEWAY} dev eth0",
        run("ip route delete default", "ip -6 route delete default"),
    ),
    Fault(
        "the source address is another host's",
        "net.route",
        "source_address 10.99.0.1",
        "source_address = 0.0.0.0",
        configure("source_address = 10.99.0.1"),
    ),
    Fault(
        "this host's firewall drops port 443",
        "net.tcp",
        "timed out",
        "sudo nft insert rule inet guard out tcp dport 443 accept",
        run(
            "nft add table inet guard",
            "nft 'add chain inet guard out { type filter hook output priority 0; }'",
            "nft add rule inet guard out tcp dport 443 drop",
        ),
    ),
    Fault(
        "this host's firewall rejects port 443",
        "net.tcp",
        "refused",
        "sudo nft insert rule inet guard out tcp dport 443 accept",
        run(
            "nft add table inet guard",
            "nft 'add chain inet guard out { type filter hook output priority 0; }'",
            "nft add rule inet guard out tcp dport 443 reject with tcp reset",
        ),
    ),
    Fault(
        "a firewall on the way drops port 443",
        "net.tcp",
        "timed out",
        "nc -v -w 5",
        lambda lab, _host: lab.filter("tcp dport 443 drop"),
        world=lambda lab, _host: lab.net.run("nft flush ruleset"),
    ),
    Fault(
        "a firewall on the way rejects port 443",
        "net.tcp",
        "refused",
        "nc -v -w 5",
        lambda lab, _host: lab.filter("tcp dport 443 reject with tcp reset"),
        world=lambda lab, _host: lab.net.run("nft flush ruleset"),
    ),
)

TLS = (
    Fault(
        "the certificate has expired",
        "net.tls",
        "expired on",
        "openssl s_client",
        lambda lab, _host: lab.serve_events(
            lab.certificates.issue("events.pagerduty.com", "api.pagerduty.com", expired=True)
        ),
        world=lambda lab, _host: lab.serve_events(lab.good),
    ),
    Fault(
        "the certificate is another host's",
        "net.tls",
        "is for portal.example, not for events.pagerduty.com",
        "openssl s_client",
        lambda lab, _host: lab.serve_events(lab.certificates.issue("portal.example")),
        world=lambda lab, _host: lab.serve_events(lab.good),
    ),
    Fault(
        "/etc/hosts sends the name to another host",
        "net.tls",
        "not for events.pagerduty.com",
        "sudo sed -i '/events.pagerduty.com/d' /etc/hosts",
        lambda lab, host: (
            lab.serve_stranger(),
            host.run(f"echo {STRANGER} events.pagerduty.com >> /etc/hosts"),
        ),
    ),
    Fault(
        "TLS is intercepted by a CA that this host does not know",
        "net.tls",
        "which this host does not trust",
        "sudo update-ca-certificates",
        lambda lab, host: (lab.intercept(), host.write("/Corp-Proxy-CA.crt", lab.corporate_ca())),
    ),
    Fault(
        "ca_file names a file that is not there",
        "config.parse",
        "ca_file /etc/nowhere.pem",
        "ca_file = ",
        configure("ca_file = /etc/nowhere.pem"),
    ),
)

PROXIES = (
    Fault(
        "the proxy's variable says https:// of a plain proxy",
        "proxy.config",
        "speaks plain HTTP",
        f"=http://proxy.example:3128|I' {DROP_IN}",
        proxied("https://proxy.example:3128"),
    ),
    Fault(
        "the proxy's port is not a number",
        "proxy.config",
        "the port is not a number",
        f"=http://proxy.example:PORT|I' {DROP_IN}",
        proxied("http://proxy.example:eight"),
        replace=("PORT", "8118"),
    ),
    Fault(
        "the proxy's name does not exist",
        "proxy.dns",
        "NXDOMAIN",
        "sudoedit /etc/resolv.conf",
        lambda lab, host: (
            proxied("http://proxy.example:8118")(lab, host),
            lab.serve_names("--address=/#/"),
        ),
        edit=OTHER_RESOLVER,
    ),
    Fault(
        "the proxy's name has no address, in a network that is closed on purpose",
        "proxy.dns",
        "cannot be reached",
        "sudoedit /etc/resolv.conf",
        lambda lab, host: (
            proxied("http://proxy.example:3128")(lab, host),
            host.run(f"ip route replace {PROXY} via {GATEWAY}"),
            host.run("ip route delete default; ip -6 route delete default"),
            host.run("echo nameserver 10.255.255.53 > /etc/resolv.conf"),
        ),
        edit=f"s/10.255.255.53/{RESOLVER}/",
    ),
    Fault(
        "no proxy listens on the port",
        "proxy.tcp",
        "refused",
        "nc -v -w 5",
        lambda lab, host: (proxied("http://proxy.example:8118")(lab, host), lab.stop_proxies()),
        world=lambda lab, _host: lab.serve_proxies(),
    ),
    Fault(
        "the proxy wants a password (407, squid)",
        "proxy.connect",
        "407",
        "USER:PASSWORD@",
        proxied("http://proxy.example:3128", squid="http_access allow known\nhttp_access deny all"),
        replace=("USER:PASSWORD", "agent:sesame"),
    ),
    Fault(
        "the proxy wants a password (407, tinyproxy)",
        "proxy.connect",
        "407",
        "USER:PASSWORD@",
        proxied("http://proxy.example:8118", tinyproxy="BasicAuth agent sesame"),
        replace=("USER:PASSWORD", "agent:sesame"),
    ),
    Fault(
        "the proxy's rules forbid PagerDuty (403)",
        "proxy.connect",
        "403",
        "curl -v --proxy",
        proxied("http://proxy.example:3128", squid="http_access deny all"),
        world=lambda lab, _host: lab.serve_proxies(),
    ),
    Fault(
        "the proxy cannot reach PagerDuty (503, squid)",
        "proxy.connect",
        "503",
        "curl -v --proxy",
        lambda lab, host: (proxied("http://proxy.example:3128")(lab, host), lab.starve_squid()),
        world=lambda lab, _host: lab.net.run("nft flush ruleset"),
    ),
    Fault(
        "the daemon was started before the proxy was set",
        "service.env",
        "started before https_proxy",
        "sudo systemctl daemon-reload && sudo systemctl restart pdagent",
        lambda lab, host: (lab.serve_proxies(), drop_in(host, "http://proxy.example:3128")),
    ),
)

API = (
    Fault(
        "a captive portal answers in PagerDuty's name",
        "api.events",
        "a login page",
        "curl -i",
        lambda lab, _host: lab.answer({"kind": "html"}),
        world=lambda lab, _host: lab.control("DELETE", "/faults"),
    ),
    Fault(
        "PagerDuty itself is in trouble",
        "api.events",
        "503",
        "curl -i",
        lambda lab, _host: lab.answer({"kind": "status", "status": 503}),
        world=lambda lab, _host: lab.control("DELETE", "/faults"),
    ),
)
