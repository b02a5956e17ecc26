"""The import hook leaves loaders, specs and modules what they are, and a failing hook is only a report."""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import BuiltinImporter
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from perfloop.agent import hooks, imports
from perfloop.agent.channel import CHANNEL

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module on the path that nobody has imported."""
    name = "hooked_library"
    (tmp_path / f"{name}.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(CHANNEL, "failed", {})
    monkeypatch.delitem(sys.modules, name, raising=False)
    yield name
    sys.modules.pop(name, None)


def install(monkeypatch: pytest.MonkeyPatch, library: str, apply: object) -> None:
    hook = SimpleNamespace(apply=apply)
    monkeypatch.setitem(sys.modules, "perfloop.agent.hooks.of_a_test", hook)
    imports.install({library: "of_a_test"})


def test_the_hook_runs_after_the_module_and_nothing_else_changes(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, library, lambda module: setattr(module, "value", module.value + 1))
    module = importlib.import_module(library)
    assert module.value == 2
    assert module.__spec__ is not None
    assert type(module.__spec__.loader).__name__ == "SourceFileLoader"
    assert "exec_module" not in vars(module.__spec__.loader)
    assert importlib.reload(module).value == 2


def test_the_loader_of_all_built_in_modules_is_left_to_the_others(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    executes = BuiltinImporter.exec_module
    monkeypatch.delitem(sys.modules, "xxsubtype", raising=False)
    install(monkeypatch, "xxsubtype", lambda module: setattr(module, "hooked", True))
    module = importlib.import_module("xxsubtype")
    assert module.hooked
    assert module.__spec__ is not None
    assert module.__spec__.loader is module.__loader__ is BuiltinImporter
    assert BuiltinImporter.exec_module is executes


def test_a_module_that_is_there_already(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(library)
    install(monkeypatch, library, lambda module: setattr(module, "value", 7))
    assert module.value == 7


def test_a_hook_that_raises(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def apply(module: object) -> None:
        raise ZeroDivisionError("of the hook")

    install(monkeypatch, library, apply)
    assert importlib.import_module(library).value == 1
    assert list(CHANNEL.failed.values()) == ["of_a_test: ZeroDivisionError: of the hook"]


def test_a_module_that_raises(library: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / f"{library}.py").write_text("raise KeyError('its own')\n")
    install(monkeypatch, library, lambda module: None)
    with pytest.raises(KeyError, match="its own"):
        importlib.import_module(library)
    assert library not in sys.modules
    assert CHANNEL.failed == {}


def test_every_registered_hook_has_its_file() -> None:
    for hook in set(hooks.HOOKS.values()):
        assert callable(importlib.import_module(f"perfloop.agent.hooks.{hook}").apply)
