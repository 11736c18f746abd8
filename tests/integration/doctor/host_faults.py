"""What can break on the host itself."""

from __future__ import annotations

from tests.integration.doctor.fault import CONF, Fault, configure, run
from tests.integration.doctor.lab import Host, Lab

CLOCK = (
    Fault(
        "the clock is 400 days ahead",
        "time.clock",
        "400 days ahead of PagerDuty's",
        "sudo chronyc makestep",
        lambda _lab, host: host.shift_clock("+400d"),
    ),
    Fault(
        "the clock is 400 days behind",
        "time.clock",
        "400 days behind PagerDuty's",
        "sudo chronyc makestep",
        lambda _lab, host: host.shift_clock("-400d"),
    ),
)

UNIT = "/lib/systemd/system/pdagent.service"
SERVICE = (
    Fault(
        "the agent is stopped",
        "service.running",
        "pdagentd is not running",
        "sudo systemctl start pdagent",
        run("systemctl stop pdagent"),
    ),
    Fault(
        "the agent crashed",
        "service.running",
        "pdagentd crashed (signal",
        "sudo systemctl restart pdagent",
        run("systemctl kill --signal=KILL pdagent", "sleep 0.3"),
    ),
    Fault(
        "the agent is stuck",
        "service.running",
        "has been stuck for",
        "sudo systemctl restart pdagent",
        lambda lab, host: (
            configure("send_interval_secs = 1")(lab, host),
            host.run("systemctl kill --signal=STOP pdagent; sleep 9"),
        ),
    ),
    Fault(
        "the agent's user is gone",
        "service.user",
        "there is no user pdagent",
        "sudo useradd --system --uid",
        run("systemctl stop pdagent; userdel pdagent"),
    ),
    Fault(
        "the unit is disabled, and the host was booted",
        "service.unit",
        "not started at boot, and it is not running",
        "sudo systemctl enable --now pdagent",
        run("systemctl disable --now pdagent"),
    ),
    Fault(
        "the unit is masked",
        "service.unit",
        "is masked",
        "sudo systemctl unmask pdagent",
        run("systemctl mask --now pdagent"),
    ),
    Fault(
        "the unit is lost",
        "service.unit",
        "is lost",
        "sudo install -m 644 /usr/share/pdagent/service/pdagent.service",
        run(f"systemctl stop pdagent; rm {UNIT}; systemctl daemon-reload"),
    ),
    Fault(
        "the unit was put back without daemon-reload",
        "service.unit",
        "systemd has not read it",
        "sudo systemctl daemon-reload && sudo systemctl enable --now pdagent",
        run(
            f"systemctl stop pdagent; mv {UNIT} /root; systemctl daemon-reload",
            f"mv /root/pdagent.service {UNIT}",
        ),
    ),
    Fault(
        "the package is removed",
        "service.unit",
        "the package pdagent is not installed",
        "sudo apt-get install pdagent",
        run(
            # What is left is a pd-doctor of a checkout.
            "cp -r /usr/share/pdagent /opt && ln -s /opt/pdagent/bin/pd-doctor /usr/local/bin",
            "dpkg --remove pdagent",
        ),
        replace=("apt-get install pdagent", "dpkg -i /tmp/pdagent.deb"),
    ),
    Fault(
        "the configuration holds a bad value",
        "config.parse",
        "send_interval_secs = ten",
        f"sudoedit {CONF} && sudo systemctl restart pdagent",
        configure("send_interval_secs = ten"),
        edit="/ten/d",
    ),
)
KEY = "fedcba9876543210fedcba9876543210"


def strand(lab: Lab, host: Host) -> None:
    """Have PagerDuty be unwell for one key alone, and its event two hours old."""
    configure("backoff_interval_secs = 1")(lab, host)
    fault = {"kind": "status", "status": 503}
    lab.control("POST", "/faults", {"match": {"key": KEY}, "times": None, "fault": fault})
    host.run(f"pd-send -k {KEY} -t trigger -d stranded")
    host.run(
        "cd /var/lib/pdagent/outqueue/pdq && name=$(echo *.txt)"
        " && mv $name $((${name%%_*} - 7200000000))_${name#*_}"
    )
    host.until("! grep -q '\"oldest_at\": null' /run/pdagent/state.json")


def relieve(lab: Lab, host: Host) -> None:
    """Have PagerDuty be well again."""
    lab.control("DELETE", "/faults")
    host.until("! ls /var/lib/pdagent/outqueue/pdq | grep .")


QUEUE = (
    Fault(
        "PagerDuty takes no event of one key, for hours",
        "queue.pending",
        "1 pending event, the oldest for 2 h",
        "sudo pd-queue status",
        strand,
        world=relieve,
    ),
    Fault(
        "a queue directory is missing",
        "queue.dirs",
        "outqueue/suc is missing",
        "sudo /usr/share/pdagent/state-dirs",
        run("rm -r /var/lib/pdagent/outqueue/suc"),
    ),
    Fault(
        "a queue directory has another mode",
        "queue.dirs",
        "outqueue/pdq has mode 0755",
        "sudo /usr/share/pdagent/state-dirs",
        run("chmod 00755 /var/lib/pdagent/outqueue/pdq"),
    ),
    Fault(
        "a queue directory is root's",
        "queue.dirs",
        "outqueue belongs to",
        "sudo /usr/share/pdagent/state-dirs",
        run("chown root /var/lib/pdagent/outqueue"),
    ),
    Fault(
        "the disk is full",
        "disk.space",
        "new events are refused",
        "sudo du -xahS /var/lib/pdagent | sort -h | tail -n 20",
        run("dd if=/dev/zero of=/var/lib/pdagent/core bs=1M count=70 2>/dev/null"),
        world=lambda _lab, host: host.run("rm /var/lib/pdagent/core"),
    ),
    Fault(
        "the inodes are used up",
        "disk.inodes",
        "inodes free in /var/lib/pdagent",
        "sudo du -x --inodes /var/lib/pdagent | sort -n | tail -n 20",
        run(
            "mkdir /var/lib/pdagent/junk; cd /var/lib/pdagent/junk; seq 1990 | xargs touch || true"
        ),
        world=lambda _lab, host: host.run("rm -r /var/lib/pdagent/junk"),
    ),
)

SCRIPT = "/etc/init.d/pdagent"
SYSV = (
    Fault(
        "SysV: the agent is stopped",
        "service.running",
        "pdagentd is not running",
        "sudo service pdagent start",
        run("service pdagent stop"),
    ),
    Fault(
        "SysV: the agent crashed",
        "service.running",
        "pdagentd is not running",
        "sudo service pdagent start",
        run("kill -KILL $(cat /run/pdagent/pdagentd.pid); sleep 0.3"),
    ),
    Fault(
        "SysV: the agent is not started at boot, and the host was booted",
        "service.unit",
        "not started at boot, and it is not running",
        "sudo update-rc.d pdagent defaults && sudo service pdagent start",
        run("service pdagent stop; update-rc.d -f pdagent remove"),
    ),
    Fault(
        "SysV: the agent was disabled, and the host was booted",
        "service.unit",
        "not started at boot, and it is not running",
        "sudo update-rc.d pdagent enable && sudo service pdagent start",
        run("service pdagent stop; update-rc.d pdagent disable"),
    ),
    Fault(
        "SysV: the init script is lost",
        "service.unit",
        "is lost",
        f"sudo install -m 755 /usr/share/pdagent/service/pdagent.init {SCRIPT}",
        run(f"service pdagent stop; rm {SCRIPT}; update-rc.d -f pdagent remove"),
    ),
    Fault(
        "SysV: the init script is not executable",
        "service.unit",
        "not executable",
        f"sudo chmod 755 {SCRIPT}",
        run(f"chmod 644 {SCRIPT}"),
    ),
    Fault(
        "SysV: the daemon was started before the proxy was set",
        "service.env",
        "started before https_proxy",
        "sudo service pdagent restart",
        lambda lab, host: (
            lab.serve_proxies(),
            host.write("/etc/default/pdagent", "https_proxy=http://proxy.example:3128\n"),
        ),
    ),
)
