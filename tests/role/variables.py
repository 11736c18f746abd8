"""The variable tables of the role's README, made from its argument specs.

python -m tests.role.variables            print them
python -m tests.role.variables --write    put them into roles/pdagent/README.md
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROLE = Path(__file__).resolve().parent.parent.parent / "roles/pdagent"
README = ROLE / "README.md"
_GENERATED = re.compile(r"(<!-- (\w+): generated -->\n).*?(<!-- end -->)", re.DOTALL)


def argument_specs() -> dict[str, dict[str, Any]]:
    """Return the specs of the role's variables by name."""
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())
    options: dict[str, dict[str, Any]] = specs["argument_specs"]["main"]["options"]
    return options


def defaults() -> dict[str, Any]:
    """Return the defaults of the role's variables by name."""
    values: dict[str, Any] = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    return values


def tables() -> dict[str, str]:
    """Return the text of each table by its name in the README."""
    specs = argument_specs()
    return {
        "variables": _table(specs),
        "settings": _table(specs["pdagent_config"]["options"]),
        "proxy": _table(specs["pdagent_proxy"]["options"]),
    }


def filled_in(text: str) -> str:
    """Return the README's text with every table made anew."""
    made = tables()
    return _GENERATED.sub(lambda match: match[1] + made[match[2]] + match[3], text)


def _table(specs: Mapping[str, Mapping[str, Any]]) -> str:
    with_default = any("default" in spec for spec in specs.values())
    head = ["Name", "Type", *(["Default"] if with_default else []), "Meaning"]
    rows = [head, ["---"] * len(head)]
    for name, spec in specs.items():
        row = [f"`{name}`", spec.get("elements", "") and f"list of {spec['elements']}"]
        row[1] = row[1] or spec["type"]
        if with_default:
            row.append(_default(spec["default"]))
        rows.append([*row, _meaning(spec)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _default(value: object) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value else ""


def _meaning(spec: Mapping[str, Any]) -> str:
    text = re.sub(r"C\((.*?)\)", r"`\1`", spec["description"]).strip()
    choices = ", ".join(f"`{one}`" for one in spec.get("choices", ()))
    return f"{text} One of {choices}." if choices and "one of" not in text else text


def main(arguments: list[str]) -> int:
    """Print the tables or write them into the README."""
    if arguments == ["--write"]:
        README.write_text(filled_in(README.read_text()))
    elif arguments:
        print(__doc__, file=sys.stderr)
        return 2
    else:
        print("\n".join(tables().values()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
