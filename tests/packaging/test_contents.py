"""What the packages are made of: in step, reproducible, clean, documented."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pdagent.outqueue import layout
from pdagent.settings import KEYS
from tests.packaging import builds
from tests.packaging.conftest import Packages
from tests.packaging.machine import FAMILIES, ROOT

COMMON = ROOT / "packaging" / "common"
COMMANDS = sorted(path.name for path in (ROOT / "agent" / "bin").iterdir())
Record = Callable[[str, object], None]
SYSTEM_PATH = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def run(*command: object, **options: object) -> str:
    """Run a system tool and return all it prints; a failure shows that."""
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        env=SYSTEM_PATH, **options,
    )  # fmt: skip
    assert done.returncode == 0, f"{command[0]}: exit {done.returncode}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="session")
def installed(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The deb's files, unpacked."""
    root = tmp_path_factory.mktemp("installed")
    run("dpkg-deb", "-x", next(packages.current.glob("*.deb")), root)
    run("gunzip", "-r", root / "usr/share/man")
    return root


@pytest.fixture(scope="session")
def deb_scripts(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The deb's package scripts."""
    root = tmp_path_factory.mktemp("control")
    run("dpkg-deb", "-e", next(packages.current.glob("*.deb")), root)
    return root


def test_two_builds_elsewhere_at_another_time_are_identical(
    packages: Packages, tmp_path: Path, record_property: Record
) -> None:
    tree = builds.copy_tree(tmp_path / "some where else" / "tree")
    for path in tree.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
        if path.is_file() and not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)
    environment = {**os.environ, "TZ": "Pacific/Chatham", "LC_ALL": "C", "HOME": "/nonexistent"}
    again = builds.build(tree, tmp_path / "out", env=environment, umask=0o077)
    sums = [(d / "SHA256SUMS").read_text() for d in (packages.current, again)]
    assert sums[0] == sums[1]
    for which, text in zip(("first", "second"), sums):
        for checksum, name in (line.split() for line in text.splitlines()):
            record_property(f"SHA-256 of {name}, {which} build", checksum)


def test_checksums_are_those_of_the_packages(packages: Packages) -> None:
    lines = (packages.current / "SHA256SUMS").read_text().splitlines()
    files = [*packages.current.glob("*.deb"), *packages.current.glob("*.rpm")]
    sums = {f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}" for file in files}
    assert set(lines) == sums
    assert len(lines) == 3


def test_documented_purge_of_the_rpm_is_the_one_that_is_tested() -> None:
    command = FAMILIES["rpm"].purge.format("pdagent")
    assert command in (ROOT / "docs" / "packages.md").read_text()


def test_postinst_enables_and_starts_the_unit_by_the_packaging_tools(deb_scripts: Path) -> None:
    postinst = (deb_scripts / "postinst").read_text()
    for call in ("deb-systemd-helper enable", "deb-systemd-invoke $_dh_action", "update-rc.d"):
        assert call in postinst
    assert "deb-systemd-invoke stop" in (deb_scripts / "prerm").read_text()


def test_queue_layout_of_the_agent_is_the_table_of_the_packages() -> None:
    lines = (COMMON / "pdagent.tmpfiles").read_text().splitlines()
    table = [line.split() for line in lines if line.startswith(("d ", "f "))]
    below = {path: int(mode, 8) for kind, path, mode, *_ in table if kind == "d"}
    data = "/var/lib/pdagent"
    assert {path: mode for path, mode in below.items() if path.startswith(data)} == {
        f"{data}/{name}".rstrip("/"): mode for name, mode in layout.MODES.items()
    }
    assert ["f", f"{data}/outqueue/{layout.LEDGER}", f"{layout.LEDGER_MODE:04o}"] in [
        words[:3] for words in table
    ]
    unit = (COMMON / "pdagent.service").read_text()
    assert f"RuntimeDirectoryMode={below['/run/pdagent']:04o}" in unit


def test_shipped_configuration_has_the_defaults_of_the_agent() -> None:
    text = (COMMON / "pdagent.conf").read_text()
    shipped = dict(re.findall(r"^#?([a-z_]+) = (\S+)$", text, re.MULTILINE))
    defaults = {key.name: str(key.default) for key in KEYS}
    assert len(shipped) >= 6
    assert shipped == {name: defaults[name] for name in shipped}


def test_every_command_is_installed_with_an_isolated_interpreter(installed: Path) -> None:
    lean = {"pd-send", "pd-nagios", "pd-zabbix", "pd-sensu"}
    for command in COMMANDS:
        first = (installed / "usr/share/pdagent/bin" / command).read_text().splitlines()[0]
        assert first == "#!/usr/bin/python3 -I" + ("S" if command in lean else "")
    links = [*installed.glob("usr/bin/*"), *installed.glob("usr/sbin/*")]
    assert sorted(link.name for link in links) == COMMANDS
    assert all(link.resolve().is_file() for link in links)


def test_every_command_has_a_manual_page_with_all_its_options(installed: Path) -> None:
    pages = {page.name: page for page in installed.glob("usr/share/man/man*/*")}
    for command in COMMANDS:
        page = pages[f"{command}.{8 if command == 'pdagentd' else 1}"]
        text = run("mandoc", "-Tascii", "-O", "width=200", page)
        plain = re.sub(r".\x08", "", text)
        shown = run("/usr/bin/python3", installed / "usr/share/pdagent/bin" / command, "--help")
        options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", shown))
        assert options
        assert [option for option in options if option not in plain] == []


def test_manual_quotes_what_is_one_word_with_a_blank_in_it(tmp_path: Path) -> None:
    run(COMMON / "man" / "generate", tmp_path)
    text = run("mandoc", "-Tascii", "-O", "width=200", tmp_path / "pd-send.1")
    assert "--link 'url [text]'" in re.sub(".\x08", "", text)


def test_manual_has_every_configuration_key_with_its_default(installed: Path) -> None:
    text = run("mandoc", "-Tascii", installed / "usr/share/man/man5/pdagent.conf.5")
    plain = re.sub(r"\s+", " ", re.sub(r".\x08", "", text))
    for key in KEYS:
        assert f" {key.name} " in plain
        if key.kind == "int":
            assert f"({key.unit}). Default: {key.default}." in plain


def test_manual_pages_are_clean(installed: Path) -> None:
    pages = sorted(installed.glob("usr/share/man/man*/*"))
    assert len(pages) == len(COMMANDS) + 2
    assert run("mandoc", "-Tlint", "-W", "warning", *pages) == ""
    assert run("lexgrog", *pages).count(" - ") == len(pages)


def test_bash_completes_options_choices_and_sub_commands(installed: Path) -> None:
    folder = installed / "usr/share/bash-completion/completions"
    assert sorted(path.name for path in folder.iterdir()) == COMMANDS
    ask = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); {}; echo "${{COMPREPLY[@]}}"'

    def offered(command: str, *words: str) -> list[str]:
        function = "_shtab_" + command.replace("-", "_")
        return run("bash", "-c", ask.format(function), folder / command, command, *words).split()

    assert offered("pd-send", "--se") == ["--service-key", "--severity"]
    assert offered("pd-send", "-t", "") == ["trigger", "acknowledge", "resolve"]
    assert "purge" in offered("pd-queue", "")
    assert "--older-than" in offered("pd-queue", "purge", "--")


def test_zsh_takes_the_completions(installed: Path) -> None:
    files = sorted(installed.glob("usr/share/zsh/vendor-completions/_*"))
    assert [path.name[1:] for path in files] == COMMANDS
    for path in files:
        run("zsh", "-n", path)


def test_unit_is_exposed_no_more_than_one_and_a_half(
    installed: Path, record_property: Record
) -> None:
    unit = next(installed.glob("lib/systemd/system/pdagent.service"))
    text = run(
        "systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", unit
    )
    score = re.search(r"Overall exposure level for pdagent.service: ([\d.]+)", text)
    record_property("systemd-analyze security", score[1])
    assert float(score[1]) <= 1.5


def test_init_script_and_drop_ins_are_well_formed(installed: Path) -> None:
    run("sh", "-n", installed / "etc/init.d/pdagent")
    examples = sorted((installed / "usr/share/doc/pdagent/examples").glob("*.conf"))
    assert [path.name for path in examples] >= ["data-dir.conf"]
    for example in examples:
        text = example.read_text()
        assert text.startswith("# ")
        assert "pdagent.service.d/" in text


def test_lintian_finds_nothing(packages: Packages, record_property: Record) -> None:
    found = run(
        "lintian", "--allow-root", "--fail-on", "error,warning",
        next(packages.current.glob("*.deb")), next(packages.current.glob("source/*.dsc")),
    )  # fmt: skip
    record_property("lintian", found.strip() or "no errors, no warnings")


def test_rpmlint_finds_nothing(packages: Packages, record_property: Record) -> None:
    config = ROOT / "packaging" / "rpm" / "rpmlint.toml"
    spec = ROOT / "packaging" / "rpm" / "pdagent.spec"
    found = run("rpmlint", "-c", config, *packages.current.glob("*.rpm"), spec)
    record_property("rpmlint", found.split(";")[-2].strip())
    assert "0 errors, 0 warnings" in found


def test_every_lint_filter_has_its_reason() -> None:
    for path in ("deb/debian/pdagent.lintian-overrides", "rpm/rpmlint.toml"):
        lines = (ROOT / "packaging" / path).read_text().splitlines()
        filters = [n for n, line in enumerate(lines) if line.startswith(("pdagent:", "    '"))]
        assert filters
        assert all(lines[n - 1].lstrip().startswith("#") for n in filters)


def test_bills_of_materials_are_complete_and_repeatable(packages: Packages, tmp_path: Path) -> None:
    for again in ("first", "second"):
        shutil.copytree(packages.current, tmp_path / again)
        run(sys.executable, ROOT / "packaging" / "sbom", tmp_path / again)
    bills = sorted((tmp_path / "first").glob("*.cdx.json"))
    assert len(bills) == 3
    for path in bills:
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()
        bill = json.loads(path.read_text())
        assert bill["metadata"]["component"]["name"].startswith("pdagent")
        needs = {part["name"] for part in bill["components"] if part["type"] == "library"}
        assert needs >= ({"pdagent"} if "sysvinit" in path.name else {"python3-requests"})
    files = {part["name"] for part in json.loads(bills[0].read_text())["components"]}
    assert any(name.endswith("/bin/pdagentd") for name in files)


def test_python_of_the_packages_compiles_on_the_oldest_python_promised(installed: Path) -> None:
    paths = list(installed.glob("usr/share/pdagent/**/*.py"))
    assert "daemon.py" in {path.name for path in paths}
    for path in paths:
        ast.parse(path.read_text(), filename=str(path), feature_version=(3, 9))
