"""What a plain requests session does in the same time: post files over one connection.

python3 bare_loop.py URL CA_FILE DIRECTORY    prints the seconds it took
"""

import os
import sys
import time

import requests


def main(url: str, ca_file: str, directory: str) -> None:
    """Post every file of the directory, in order, and check the answers."""
    session = requests.Session()
    options = {"headers": {"Content-Type": "application/json"}, "verify": ca_file, "timeout": 10}
    names = sorted(os.listdir(directory))
    started, used = time.perf_counter(), time.process_time()
    for name in names:
        with open(os.path.join(directory, name), "rb") as file:
            answer = session.post(url, data=file.read(), **options)
        if answer.json()["status"] != "success":
            raise SystemExit(f"unexpected answer: {answer.text}")
    print(time.perf_counter() - started, time.process_time() - used)


if __name__ == "__main__":
    main(*sys.argv[1:])
