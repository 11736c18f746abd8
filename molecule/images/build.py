#!/usr/bin/env python3
"""Build the test images from the recipes beside this file, with mmdebstrap and podman.

An image is rebuilt when its recipe, common.toml or this builder changed: their hash is a
label on the image. Needs root, mmdebstrap and podman, and Python 3.11 or later.

Environment: MIRROR and MIRROR_SECURITY (Debian mirrors), IMAGE_PREFIX (name in front of the
recipe's), IMAGE_JOBS (images built at the same time).
"""

import argparse
import concurrent.futures
import fcntl
import hashlib
import os
import shlex
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

RECIPES = Path(__file__).resolve().parent
PREFIX = os.environ.get("IMAGE_PREFIX", "localhost/pdagent-")
MIRROR = os.environ.get("MIRROR", "http://deb.debian.org/debian")
SECURITY = os.environ.get("MIRROR_SECURITY", MIRROR.rstrip("/") + "-security")
LABEL = "org.pdagent.recipe"
# Documentation is never read in these images; leaving it out saves a third of the files.
DPKG_OPTIONS = ["path-exclude=/usr/share/man/*", "path-exclude=/usr/share/locale/*"]
# No mirror stays configured: a test host installs from the test repositories alone.
FINISH = """
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*
rm -f /etc/dpkg/dpkg.cfg.d/99mmdebstrap /etc/apt/apt.conf.d/99mmdebstrap
: > /etc/machine-id
"""


class BuildError(Exception):
    """An image could not be built; the text says why and where the log is."""


def names():
    """Return the names of all recipes, sorted."""
    return sorted(path.stem for path in RECIPES.glob("*.toml") if path.stem != "common")


def read_recipe(name):
    """Return the image's recipe with the packages and the script of its set merged in."""
    recipe = tomllib.loads((RECIPES / f"{name}.toml").read_text())
    common = tomllib.loads((RECIPES / "common.toml").read_text())["sets"][recipe["set"]]
    return {
        "suite": recipe["suite"],
        "packages": sorted({*common["packages"], *recipe.get("packages", [])}),
        "setup": common.get("setup", "") + recipe.get("setup", ""),
    }


def recipe_hash(name):
    """Return the hash of everything an image's content is made from."""
    digest = hashlib.sha256(repr(read_recipe(name)).encode())
    for path in [Path(__file__), *sorted((RECIPES / name).glob("*"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def built_hash(name):
    """Return the recipe hash of the image as it is in podman's store, or an empty text."""
    command = ["podman", "image", "inspect", "--format", f'{{{{index .Labels "{LABEL}"}}}}']
    answer = subprocess.run([*command, PREFIX + name], capture_output=True, text=True, check=False)
    return answer.stdout.strip()


def sources_list(suite):
    """Return the apt sources an image of this suite is built from."""
    return [
        f"deb {MIRROR} {suite} main",
        f"deb {MIRROR} {suite}-updates main",
        f"deb {SECURITY} {suite}-security main",
    ]


def host_apt_options():
    """Return the host's own apt settings for fetching (proxy, frozen mirrors), one a line."""
    dump = subprocess.run(
        ["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=True
    )
    wanted = ("Acquire::http", "Acquire::Check-", "Acquire::Retries")
    return [line for line in dump.stdout.splitlines() if line.startswith(wanted)]


def mmdebstrap_command(name, tarball):
    """Return the mmdebstrap command line that writes the recipe's root file system."""
    recipe = read_recipe(name)
    command = ["mmdebstrap", "--quiet", "--variant=minbase"]
    command += ["--include=" + ",".join(recipe["packages"])]
    command += [f"--aptopt={option}" for option in host_apt_options()]
    command += [f"--dpkgopt={option}" for option in DPKG_OPTIONS]
    files = [str(path) for path in sorted((RECIPES / name).glob("*"))]
    if files:
        command.append(f"--customize-hook=copy-in {' '.join(files)} /tmp")
    setup = shlex.quote("set -e\n" + recipe["setup"] + FINISH)
    command.append(f'--customize-hook=chroot "$1" sh -c {setup}')
    return [*command, recipe["suite"], str(tarball), *sources_list(recipe["suite"])]


def build(name, log_dir):
    """Build one image and label it with its recipe's hash.

    Raises BuildError with the log's path when mmdebstrap or podman fail.
    """
    log_path = log_dir / f"image-{name}.log"
    with tempfile.TemporaryDirectory(prefix="pdagent-image-") as scratch, log_path.open("w") as log:
        tarball = Path(scratch, "root.tar")
        changes = [
            f"LABEL {LABEL}={recipe_hash(name)}",
            'CMD ["/sbin/init"]',
            "STOPSIGNAL SIGRTMIN+3",
        ]
        import_command = ["podman", "import", "--quiet"]
        import_command += [word for change in changes for word in ("--change", change)]
        for command in (
            mmdebstrap_command(name, tarball),
            [*import_command, str(tarball), PREFIX + name],
        ):
            done = subprocess.run(command, stdout=log, stderr=log, check=False)
            if done.returncode:
                raise BuildError(f"{name}: {command[0]} failed. To see why: tail -30 {log_path}")


def build_if_changed(name, force, log_dir):
    """Build an image unless the store already holds it; return one line that says what was done."""
    with open(f"/run/lock/pdagent-image-{name}", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not force and built_hash(name) == recipe_hash(name):
            return f"{name}: up to date"
        began = time.monotonic()
        build(name, log_dir)
        return f"{name}: built in {time.monotonic() - began:.0f} s"


def main():
    """Build the named images, or all; exit 1 with one line for each that failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="IMAGE", help="default: all")
    parser.add_argument("--force", action="store_true", help="build even if nothing changed")
    parser.add_argument("--list", action="store_true", help="print the images' names and stop")
    options = parser.parse_args()
    unknown = set(options.names) - set(names())
    if unknown:
        parser.error(f"no recipe for {', '.join(sorted(unknown))}; there are: {', '.join(names())}")
    if options.list:
        print("\n".join(names()))
        return 0
    log_dir = RECIPES.parent.parent / ".cache" / "log"
    log_dir.mkdir(parents=True, exist_ok=True)
    failed = 0
    jobs = int(os.environ.get("IMAGE_JOBS", "2"))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        builds = [
            pool.submit(build_if_changed, name, options.force, log_dir)
            for name in options.names or names()
        ]
        for future in concurrent.futures.as_completed(builds):
            try:
                print(future.result(), flush=True)
            except BuildError as error:
                print(error, file=sys.stderr, flush=True)
                failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
