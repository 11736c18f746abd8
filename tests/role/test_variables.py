"""The role's variables: one description of each, the same everywhere it is told."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml

from pdagent import settings
from tests.role import variables
from tests.role.playbook import play

TYPES = {"int": "int", "bool": "bool"}


def test_every_default_is_specified_and_every_specified_variable_has_it():
    specified = {name: spec["default"] for name, spec in variables.argument_specs().items()}
    assert specified == variables.defaults()


def test_no_public_variable_is_used_without_a_default():
    texts = [
        path.read_text() for path in variables.ROLE.rglob("*") if path.suffix in (".yml", ".j2")
    ]
    used = set(re.findall(r"(?<!_)\bpdagent_\w+", "\n".join(texts)))
    results = {"pdagent_report"}
    assert used - results == set(variables.defaults())


def test_every_message_is_a_variable_of_its_own():
    """Before ansible-core 2.19 one value of a dict evaluates all, and most need a task's result."""
    values = yaml.safe_load((variables.ROLE / "vars/main.yml").read_text())
    messages = {name: value for name, value in values.items() if "inventory_hostname" in str(value)}
    assert len(messages) > 1
    assert [name for name, value in messages.items() if not isinstance(value, str)] == []


def test_readme_tables_are_those_of_the_argument_specs():
    text = variables.README.read_text()
    assert variables.filled_in(text) == text, "run: python -m tests.role.variables --write"


@pytest.mark.parametrize("key", settings.KEYS, ids=lambda key: key.name)
def test_setting_is_specified_as_the_agent_defines_it(key):
    spec = variables.argument_specs()["pdagent_config"]["options"][key.name]
    assert spec["type"] == TYPES.get(key.kind, "str")
    assert tuple(spec.get("choices", ())) == key.choices
    assert spec["description"].lower() == f"{key.doc}; {key.allowed}.".lower()


def test_no_setting_is_specified_that_the_agent_does_not_know():
    specified = variables.argument_specs()["pdagent_config"]["options"]
    assert set(specified) == {key.name for key in settings.KEYS}


@pytest.fixture
def rendered(tmp_path: Path, collections: Path):
    """Render templates of the role as on a host with systemd; return the texts."""

    def render(*names: str, **given: object) -> list[str]:
        tasks = [{"ansible.builtin.set_fact": {"service_mgr": "systemd", "cacheable": True}}]
        for name in names:
            files = {"src": f"{variables.ROLE}/templates/{name}.j2", "dest": f"{tmp_path}/{name}"}
            tasks.append({"ansible.builtin.template": files})
        known = [f"{variables.ROLE}/{name}/main.yml" for name in ("defaults", "vars")]
        one = {"hosts": "localhost", "gather_facts": False, "vars_files": known, "tasks": tasks}
        playbook = tmp_path / "render.yml"
        playbook.write_text(yaml.safe_dump([one]))
        run = play(
            playbook, "-c", "local", collections=collections,
            ansible_python_interpreter=sys.executable, **given,
        )  # fmt: skip
        assert run.code == 0, run.output
        return [(tmp_path / name).read_text() for name in names]

    return render


@pytest.mark.parametrize(
    "proxy",
    [
        {"https_proxy": "http://proxy.example.net:3128", "user": "u", "password": "pl4nted"},
        {"https_proxy": "proxy.example.net:3128", "user": "u", "password": "pl4nted"},
        {"https_proxy": "http://u:pl4nted/2@proxy.example.net:3128"},
    ],
)
def test_password_in_a_url_is_never_in_the_drop_in_that_all_can_read(rendered, proxy):
    drop_in, environment = rendered("dropin.conf", "environment", pdagent_proxy=proxy)
    assert "pl4nted" not in drop_in
    assert "pl4nted" in environment


def test_proxy_without_a_password_is_in_the_drop_in(rendered):
    proxy = {"https_proxy": "http://proxy.example.net:3128", "no_proxy": ".example.net"}
    drop_in, environment = rendered("dropin.conf", "environment", pdagent_proxy=proxy)
    assert 'Environment="https_proxy=http://proxy.example.net:3128"' in drop_in
    assert "proxy=" not in environment


def test_every_switch_is_taken_as_one_though_it_may_be_text():
    """What -e NAME=false on a command line gives is a text, and any text is true."""
    switches = [name for name, spec in variables.argument_specs().items() if spec["type"] == "bool"]
    used = re.compile(rf"\b(?:{'|'.join(switches)})\b(?! \| bool| is on,)")
    found = [
        f"{path.name}: {line.strip()}"
        for path in variables.ROLE.rglob("*.yml")
        if path.parent.name in ("tasks", "handlers", "vars")
        for line in path.read_text().splitlines()
        if used.search(line)
    ]
    assert found == []


def test_agent_reads_from_the_template_what_was_given(tmp_path: Path, rendered):
    given = {
        key.name: OTHER.get(key.name, OTHER.get(key.kind, key.default)) for key in settings.KEYS
    }
    rendered("pdagent.conf", pdagent_config=given)
    read = settings.load(str(tmp_path / "pdagent.conf"))
    assert read.warnings == []
    assert {name: getattr(read, name) for name in given} == given


def test_table_of_directories_is_the_packages_but_for_the_group(rendered):
    (written,) = rendered("tmpfiles.conf", pdagent_submit_group="pagers")
    queue = "/var/lib/pdagent/outqueue"
    assert _table(written) == {**_table(PACKAGED), queue: ["d", "0710", "pdagent", "pagers", "-"]}


def test_table_of_directories_is_the_packages_but_for_the_place(rendered):
    (written,) = rendered("tmpfiles.conf", pdagent_config={"data_dir": "/srv/pdagent"})
    assert _table(written) == _table(PACKAGED.replace("/var/lib/pdagent", "/srv/pdagent"))


PACKAGED = (variables.ROLE.parents[1] / "packaging/common/pdagent.tmpfiles").read_text()


def _table(text: str) -> dict[str, list[str]]:
    rows = [line.split() for line in text.splitlines() if line[:1] in ("d", "f")]
    return {row[1]: [row[0], *row[2:]] for row in rows}


# Values that differ from the defaults, by key or by kind.
OTHER = {
    "int": 3600,
    "bool": False,
    "url": "https://events.example.net",
    "path": "/srv/pdagent",
    "address": "::1",
    "region": "eu",
    "log_level": "warning",
    "workers": 7,
    "metrics_file": "",
}


@pytest.mark.parametrize(
    ("variables_", "said"),
    [
        ({"pdagent_state": "gone"}, "pdagent_state"),
        ({"pdagent_config": {"send_intervall_secs": 5}}, "send_intervall_secs"),
        ({"pdagent_config": {"region": "mars"}}, "mars"),
        ({"pdagent_proxy": {"https": "http://proxy:1"}}, "https"),
    ],
)
def test_wrong_value_is_refused_before_any_host_is_asked(collections, tmp_path, variables_, said):
    inventory = tmp_path / "hosts"
    inventory.write_text(
        "[pdagent]\nnowhere ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1\n"
    )
    playbook = tmp_path / "role.yml"
    playbook.write_text(
        yaml.safe_dump(
            [{"hosts": "pdagent", "gather_facts": False, "roles": ["pdagent.agent.pdagent"]}]
        )
    )
    run = play(playbook, collections=collections, inventories=(inventory,), **variables_)
    assert run.code == 2
    assert said in run.words
    assert "UNREACHABLE" not in run.output
