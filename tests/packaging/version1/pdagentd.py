"""Holds a pid, in the foreground with -f; sends nothing."""

import os
import sys
import time

if "-f" not in sys.argv:
    if os.fork():
        os._exit(0)
    os.setsid()
    for stream in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), stream)
    with open("/var/run/pdagent/pdagentd.pid", "w") as pid_file:
        pid_file.write(str(os.getpid()))
while True:
    time.sleep(1)
