#!/bin/sh
# Returns 0 when this host's init system has come up, 1 after thirty seconds. systemd says so
# itself ("degraded": up, with a failed unit); sysvinit has reached its runlevel and ended `rc`.
for _ in $(seq 60); do
    case "$(systemctl is-system-running 2> /dev/null)" in running | degraded) exit 0 ;; esac
    if [ ! -d /run/systemd/system ] && runlevel 2> /dev/null | grep -q ' [2-5]$'; then
        pgrep -f '[i]nit.d/rc ' > /dev/null || exit 0
    fi
    sleep 0.5
done
exit 1
