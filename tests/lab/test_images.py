"""A changed recipe makes its own images be built again, and no other."""

from __future__ import annotations

import importlib.util
import shutil

import pytest

from lab.console import ROOT


@pytest.fixture
def builder(monkeypatch, tmp_path):
    """The image builder, with recipes that can be edited."""
    spec = importlib.util.spec_from_file_location("build", ROOT / "molecule/images/build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    shutil.copytree(module.RECIPES, tmp_path / "images", symlinks=True)
    monkeypatch.setattr(module, "RECIPES", tmp_path / "images")
    return module


@pytest.mark.parametrize(
    ("path", "old", "new", "images"),
    [
        ("debian13-systemd.toml", '"dbus", ', "", {"debian13-systemd"}),
        ("debian13-systemd.toml", "PID 1", "process 1", set()),
        ("common.toml", '    "dnf",\n', "", {"rpm-systemd", "rpm-sysv"}),
        ("rpm-systemd/stub.spec", "Release:", "Release: 2", {"rpm-systemd", "rpm-sysv"}),
    ],
    ids=["packages of one image", "a comment", "packages of a family", "a file that is copied in"],
)
def test_edit_changes_the_hash_of_the_images_it_concerns(builder, path, old, new, images):
    before = {name: builder.recipe_hash(name) for name in builder.names()}
    file = builder.RECIPES / path
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    after = {name: builder.recipe_hash(name) for name in builder.names()}
    assert {name for name in before if before[name] != after[name]} == images


def test_image_that_the_store_holds_is_not_built_again(builder, monkeypatch, tmp_path):
    monkeypatch.setattr(builder, "built_hash", builder.recipe_hash)
    assert builder.build_if_changed("services", False, tmp_path) == "services: up to date"
    assert list(tmp_path.glob("*.log")) == []
