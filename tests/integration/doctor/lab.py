"""A little internet of two network namespaces: a host with the agent, and all else.

    host  10.77.0.10, fd77::10     a container with an init system and the package
    net   10.77.0.1, fd77::1       gateway and name server
          10.77.0.5                a second name server that is never broken
          10.78.0.2, fd78::2       events.pagerduty.com
          10.78.0.3                api.pagerduty.com
          10.78.0.4                proxy.example: squid and tinyproxy
          10.78.0.6                a host that is none of these

Nothing leads out of it. Everything in `net` is a real program in one container; what
a test breaks it breaks there, or in the host's own container.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from lab import boot, runtime
from tests.emulator.fixtures import CertFiles, Certificates

ROOT = Path(__file__).resolve().parents[3]
GATEWAY, RESOLVER, HOST = "10.77.0.1", "10.77.0.5", "10.77.0.10"
EVENTS, API, PROXY, STRANGER = "10.78.0.2", "10.78.0.3", "10.78.0.4", "10.78.0.6"
EVENTS6, GATEWAY6, HOST6 = "fd78::2", "fd77::1", "fd77::10"
NAMES = {"events.pagerduty.com": EVENTS, "api.pagerduty.com": API, "proxy.example": PROXY}
DROP_INS = "/etc/systemd/system/pdagent.service.d"
KEY = "0123456789abcdef0123456789abcdef"


SQUID = f"""
http_port {PROXY}:3128
dns_nameservers {RESOLVER}
pid_filename /tmp/squid.pid
cache_log /tmp/squid.log
access_log none
cache deny all
pinger_enable off
auth_param basic program /usr/lib/squid/basic_ncsa_auth /tmp/passwd
acl known proxy_auth REQUIRED
"""
TINYPROXY = f"""
Port 8118
Listen {PROXY}
ConnectPort 443
Timeout 20
"""
INTERCEPTION = f"""
mkdir -p /tmp/corp && cd /tmp/corp
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 \\
    -subj '/CN=Corp Proxy CA' 2>/dev/null
openssl req -newkey rsa:2048 -nodes -keyout leaf.key -out leaf.csr \\
    -subj '/CN=events.pagerduty.com' 2>/dev/null
printf 'subjectAltName=DNS:events.pagerduty.com' > leaf.ext
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 \\
    -extfile leaf.ext -out leaf.pem 2>/dev/null
cat leaf.pem ca.pem > chain.pem
cat > nginx.conf <<END
events {{}}
pid /tmp/corp/nginx.pid;
error_log /tmp/corp/error.log;
http {{ access_log off; server {{
    listen 8443 ssl; listen [::]:8443 ssl;
    ssl_certificate /tmp/corp/chain.pem; ssl_certificate_key /tmp/corp/leaf.key;
    location / {{ proxy_pass https://{EVENTS}; proxy_set_header Host \\$host; }}
}} }}
END
"""


HEAL = f"""
echo nameserver {GATEWAY} > /etc/resolv.conf
sed -i /pagerduty/d /etc/hosts
echo +0 > /etc/faketimerc
nft flush ruleset
rm -f /usr/local/bin/pd-doctor
changed=
if ! cmp -s /root/pdagent.conf /etc/pdagent.conf; then
    cp /root/pdagent.conf /etc/pdagent.conf; changed=1
fi
if [ -e /usr/local/share/ca-certificates/Corp-Proxy-CA.crt ]; then
    rm -f /usr/local/share/ca-certificates/Corp-Proxy-CA.crt
    update-ca-certificates --fresh
fi
if [ -d {DROP_INS} ] || grep -q ^[a-z]*_proxy= /etc/default/pdagent; then
    rm -rf {DROP_INS}; sed -i /^[a-z]*_proxy=/d /etc/default/pdagent; changed=1
fi
if [ -n "$changed" ]; then
    if [ -d /run/systemd/system ]; then systemctl daemon-reload; systemctl restart pdagent
    else service pdagent restart; fi
fi
"""
# What stands for the time service of a host: it steps the clock of libfaketime's file.
CHRONYC = "#!/bin/sh\necho +0 > /etc/faketimerc\n"


def sh(command: str, *, check: bool = True) -> str:
    """Run a command on this machine; return what it prints."""
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120)
    if check and done.returncode:
        raise AssertionError(f"{command}\n{done.stdout}{done.stderr}")
    return done.stdout


class Container:
    """A podman container of the lab."""

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, command: str, *, check: bool = True, **options: Any) -> str:
        """Run a shell command inside; return what it prints."""
        done = self.call(command, **options)
        if check and done.returncode:
            raise AssertionError(f"{self.name}: {command}\n{done.stdout}{done.stderr}")
        return done.stdout

    def call(self, command: str, *, user: str = "root", shell: str = "sh", **env: str) -> Any:
        """Run a shell command inside; return the finished process."""
        given = [word for name, value in env.items() for word in ("--env", f"{name}={value}")]
        return subprocess.run(
            ["podman", "exec", f"--user={user}", *given, self.name, shell, "-c", command],
            capture_output=True,
            text=True,
            timeout=120,
        )

    def start(self, command: str) -> None:
        """Start a program inside and leave it running."""
        sh(f"podman exec --detach {self.name} sh -c {shlex.quote(command)}")

    def write(self, path: str, text: str) -> None:
        """Write a file inside."""
        command = ["podman", "exec", "--interactive", self.name, "sh", "-c"]
        subprocess.run([*command, f"cat > {path}"], input=text, text=True, check=True)

    def bytes(self, path: str) -> bytes:
        """Return a file's content."""
        command = ["podman", "exec", self.name, "cat", path]
        return subprocess.run(command, capture_output=True, check=True).stdout

    def until(self, command: str, seconds: float = 20) -> None:
        """Wait until a command inside succeeds."""
        deadline = time.monotonic() + seconds
        while self.call(command).returncode:
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name}: still failing after {seconds} s: {command}")
            time.sleep(0.1)

    def remove(self) -> None:
        """Remove the container."""
        sh(f"podman rm --force --time 0 {self.name}", check=False)


class Lab:
    """The two namespaces, and the programs that are the rest of the world."""

    def __init__(self, directory: Path) -> None:
        self.prefix = f"pdd{os.getpid()}"
        self.directory = directory
        directory.chmod(0o755)
        self.certificates = Certificates(directory)
        self.good = self.certificates.issue(*list(NAMES)[:2], days=90)
        self.net = Container(f"{self.prefix}-net")
        self._names_changed = self._events_changed = False

    def open(self) -> None:
        """Put everything up."""
        self._wire()
        self._boot_net()
        self.net.write("/etc/resolv.conf", f"nameserver {RESOLVER}\n")
        self.serve_names()
        self.serve_names(address=RESOLVER)
        self.serve_events(self.good)

    def _wire(self) -> None:
        net, host = f"{self.prefix}net", f"{self.prefix}host"
        for namespace in (net, host):
            sh(f"ip netns add {namespace} && ip -n {namespace} link set lo up")
        sh(f"ip -n {net} link add eth0 type veth peer name eth0 netns {host}")
        for namespace, addresses in ((net, (GATEWAY, RESOLVER)), (host, (HOST,))):
            for address in addresses:
                sh(f"ip -n {namespace} address add {address}/24 dev eth0")
        for namespace, address in ((net, GATEWAY6), (host, HOST6)):
            sh(f"ip -n {namespace} address add {address}/64 dev eth0 nodad")
            sh(f"ip -n {namespace} link set eth0 up")
        for address in (*NAMES.values(), STRANGER):
            sh(f"ip -n {net} address add {address}/32 dev lo")
        sh(f"ip -n {net} address add {EVENTS6}/128 dev lo nodad")
        self.route()

    def route(self) -> None:
        """Give the host its default routes."""
        host = f"{self.prefix}host"
        sh(f"ip -n {host} route replace default via {GATEWAY}")
        sh(f"ip -n {host} -6 route replace default via {GATEWAY6} dev eth0")

    def _boot_net(self) -> None:
        words = [
            "podman", "run", "--detach", "--name", self.net.name, "--pull=never",
            f"--network=ns:/run/netns/{self.prefix}net", f"--volume={ROOT}:/src:ro",
            f"--volume={self.directory}:{self.directory}:ro", *runtime.podman_arguments(),
            "--cap-add=NET_ADMIN", f"{boot.PREFIX}services", "sleep", "infinity",
        ]  # fmt: skip
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)

    def boot_host(self, image: str) -> Host:
        """Boot a host with an init system, the lab's network and its CA."""
        name = f"{self.prefix}-{image}"
        disk = Path(tempfile.mkdtemp(prefix="disk-", dir=self.directory))
        sh(f"mount -t tmpfs -o size=120m,nr_inodes=2000,mode=755 disk {disk}")
        arguments = [
            f"--network=ns:/run/netns/{self.prefix}host", "--dns=none", "--no-hosts",
            "--cap-add=NET_ADMIN", f"--volume={self.directory}:{self.directory}:ro",
            f"--volume={disk}:/var/lib/pdagent",
        ]  # fmt: skip
        boot.boot(image, name, arguments)
        host = Host(name)
        host.write("/etc/hosts", "127.0.0.1 localhost\n")
        host.write("/etc/resolv.conf", f"nameserver {GATEWAY}\n")
        host.run(f"cp {self.certificates.ca_file} /usr/local/share/ca-certificates/lab.crt")
        host.run("update-ca-certificates")
        return host

    def serve_names(self, *options: str, address: str = GATEWAY) -> None:
        """Answer questions for names as they are, or as other dnsmasq options say."""
        known = [f"--address=/{name}/{where}" for name, where in NAMES.items()]
        known.append(f"--address=/events.pagerduty.com/{EVENTS6}")
        listen = ["--bind-interfaces", f"--listen-address={address}"]
        words = ["dnsmasq", "--no-resolv", "--no-hosts", "--local=//", "--user=root", *listen]
        words += options or known
        self.stop_names(address)
        self.net.run(" ".join(words))
        self._names_changed = bool(options)

    def stop_names(self, address: str = GATEWAY) -> None:
        """Stop one name server."""
        self._names_changed = True
        form = f"[d]nsmasq.*{address}|[u]nbound.*{address}"
        self.net.run(f"pkill -f '{form}'", check=False)
        self.net.until(f"! pgrep -f '{form}'")

    def serve_events(self, files: CertFiles) -> None:
        """Be PagerDuty, with this certificate."""
        self._events_changed = files is not self.good
        self.net.run("pkill -f '[m] tests.emulator'", check=False)
        self.net.until("! pgrep -f '[m] tests.emulator'")
        listen = " ".join(f"--listen {one}:443" for one in (EVENTS, API, f"[{EVENTS6}]"))
        self.net.start(
            f"cd /src && exec python3 -m tests.emulator {listen} --control 127.0.0.1:8080"
            f" --tls-cert {files.cert} --tls-key {files.key} >/tmp/emulator.log 2>&1"
        )
        self.net.until("curl -fs http://127.0.0.1:8080/health")

    def answer(self, fault: dict[str, Any]) -> None:
        """Have PagerDuty answer every request for the Events API with a fault."""
        self.control("POST", "/faults", {"match": {"path": "/v2/enqueue"}, "fault": fault})

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Tell the emulator something over its control port."""
        data = f"--data {shlex.quote(json.dumps(body))}" if body is not None else ""
        return json.loads(self.net.run(f"curl -fs -X {method} {data} http://127.0.0.1:8080{path}"))

    def serve_stranger(self) -> None:
        """Have another host answer with a certificate of its own name."""
        files = self.certificates.issue("portal.example")
        self.net.start(
            f"cd /src && exec python3 -m tests.emulator --listen {STRANGER}:443 --control"
            f" 127.0.0.1:8081 --tls-cert {files.cert} --tls-key {files.key} >/tmp/stranger.log 2>&1"
        )
        self.net.until("curl -fs http://127.0.0.1:8081/health")

    def corporate_ca(self) -> str:
        """The certificate of the intercepting device's CA, as its owners would hand it out."""
        return self.net.run("cat /tmp/corp/ca.pem")

    def intercept(self) -> None:
        """Put a device on the way that opens TLS, with certificates of a CA of its own."""
        self.net.run(INTERCEPTION)
        self.net.run("nginx -c /tmp/corp/nginx.conf")
        self.net.run(
            "nft add table ip detour; nft 'add chain ip detour in"
            " { type nat hook prerouting priority -100; }';"
            f" nft add rule ip detour in ip daddr {EVENTS} tcp dport 443 redirect to :8443;"
            f" nft add table ip6 detour; nft 'add chain ip6 detour in"
            " { type nat hook prerouting priority -100; }';"
            f" nft add rule ip6 detour in ip6 daddr {EVENTS6} tcp dport 443 redirect to :8443"
        )

    def serve_proxies(self, *, squid: str = "http_access allow all", tinyproxy: str = "") -> None:
        """Run squid on port 3128 and tinyproxy on 8118 of the proxy's address."""
        self.stop_proxies()
        self.net.run("htpasswd -bc /tmp/passwd agent sesame")
        self.net.write("/tmp/squid.conf", SQUID + squid + "\n")
        self.net.write("/tmp/tinyproxy.conf", TINYPROXY + tinyproxy + "\n")
        self.net.run("squid -f /tmp/squid.conf && tinyproxy -c /tmp/tinyproxy.conf")
        for port in (3128, 8118):
            self.net.until(
                f"python3 -c 'import socket; socket.create_connection((\"{PROXY}\", {port}))'"
            )

    def starve_squid(self) -> None:
        """Cut squid's own way out."""
        self.net.run(
            "nft add table inet starve; nft 'add chain inet starve out"
            " { type filter hook output priority 0; }';"
            " nft add rule inet starve out meta skuid proxy tcp dport 443 reject with tcp reset"
        )

    def stop_proxies(self) -> None:
        """Stop both."""
        self.net.run(
            "pkill -KILL -x squid; pkill -KILL -x tinyproxy; rm -f /tmp/squid.pid", check=False
        )

    def filter(self, rule: str) -> None:
        """Add a rule to a firewall between the host and everything else."""
        self.net.run(
            "nft add table inet between; nft 'add chain inet between in"
            f" {{ type filter hook input priority 0; }}'; nft 'add rule inet between in {rule}'"
        )

    def heal(self) -> None:
        """Bring the world outside of the host back to order."""
        self.net.run("nft flush ruleset; pkill -x nginx", check=False)
        self.route()
        if self._names_changed:
            self.serve_names()
        if self._events_changed:
            self.serve_events(self.good)
        else:
            self.control("DELETE", "/faults")

    def close(self) -> None:
        """Take everything down."""
        for name in sh(f"podman ps -aq --filter name=^{self.prefix}-").split():
            Container(name).remove()
        for disk in self.directory.glob("disk-*"):
            sh(f"umount {disk}", check=False)
        for namespace in ("net", "host"):
            sh(f"ip netns delete {self.prefix}{namespace}", check=False)


class Host(Container):
    """A host with the agent's package."""

    def install(self, package: Path) -> None:
        """Install the package, and wait until the agent runs."""
        sh(f"podman cp {package} {self.name}:/tmp/pdagent.deb")
        self.run("dpkg -i /tmp/pdagent.deb && cp /etc/pdagent.conf /root/")
        self.write("/usr/bin/chronyc", CHRONYC)
        self.run("chmod 755 /usr/bin/chronyc; echo +0 > /etc/faketimerc")
        self.clock = {
            "LD_PRELOAD": self.run("echo /usr/lib/*/faketime/libfaketime.so.1").strip(),
            "FAKETIME_TIMESTAMP_FILE": "/etc/faketimerc",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.clock_shifted = False
        self.until("test -s /run/pdagent/state.json")

    def doctor(self, *arguments: str, user: str = "root", **env: str) -> dict[str, Any]:
        """Run pd-doctor --json under the host's clock; return its report and exit code."""
        words = " ".join(shlex.quote(word) for word in arguments)
        clock = self.clock if self.clock_shifted else {}
        done = self.call(f"pd-doctor --json {words}", user=user, **clock, **env)
        with contextlib.suppress(ValueError):
            return {**json.loads(done.stdout), "exit": done.returncode}
        raise AssertionError(f"pd-doctor ended with {done.returncode}: {done.stdout}{done.stderr}")

    def follow(self, command: str, edit: str = "") -> None:
        """Do what pd-doctor advises; `edit` is a sed script in place of a person's editing."""
        editor = f"sed -i -e {shlex.quote(edit)}"
        for step in command.split(" && "):
            bare = step.replace("sudo ", "").replace("sudoedit", editor if edit else "true")
            self.run(bare)

    def shift_clock(self, by: str) -> None:
        """Let the host's clock be wrong, until its time service steps it."""
        self.write("/etc/faketimerc", f"{by}\n")
        self.clock_shifted = True

    def heal(self) -> None:
        """Bring the host back to order, as if no test had been here."""
        self.clock_shifted = False
        self.run(HEAL)
        self.until("test -s /run/pdagent/state.json")
