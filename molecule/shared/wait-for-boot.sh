#!/bin/sh
# Returns 0 when this host's init system has come up, 1 after two minutes. systemd says so
# itself ("degraded": up, with a failed unit); sysvinit has reached its runlevel and ended `rc`,
# for two looks, because it writes down the runlevel just before it starts `rc`.
up=0
for _ in $(seq 240); do
    case "$(systemctl is-system-running 2> /dev/null)" in running | degraded) exit 0 ;; esac
    if [ ! -d /run/systemd/system ] && runlevel 2> /dev/null | grep -q ' [2-5]$' &&
        ! pgrep -f '[i]nit.d/rc ' > /dev/null; then
        up=$((up + 1))
        [ $up -lt 2 ] || exit 0
    else
        up=0
    fi
    sleep 0.5
done
exit 1
