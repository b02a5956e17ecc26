"""Runs a hook right after the service imported the library it is for. Loaders, specs and modules stay what they are."""

from __future__ import annotations

import sys

# Not from typing: importing that would cost every helper process of the service.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = ["install"]


class _Finder:
    """First on sys.meta_path: lets the others find, and adds a step after the module's execution."""

    def __init__(self, hooks: Mapping[str, str]) -> None:
        self._hooks = dict(hooks)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        if name not in self._hooks:
            return None
        spec = None
        for finder in sys.meta_path:
            if finder is self:
                continue
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find is not None else None
            if spec is not None:
                break
        if spec is None or spec.loader is None:
            return spec
        hook = self._hooks[name]
        try:
            if isinstance(spec.loader, type):
                spec.loader = _OfOne(spec.loader, hook)
            else:
                _after_execution(spec.loader, hook)
        except Exception as error:
            _failed(hook, error)
        return spec


class _OfOne:
    """In the place of a loader that is a class, that of all built-in modules: for one of them, until it is executed."""

    def __init__(self, loader: Any, hook: str) -> None:
        self._loader = loader
        self._hook = hook

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        _apply(self._hook, module)


def _after_execution(loader: Any, hook: str) -> None:
    execute = loader.exec_module

    def exec_module(module: Any) -> None:
        # The loader belongs to this one module: an attribute of the instance, gone before it could be seen.
        try:
            del loader.exec_module
        except AttributeError:
            pass
        execute(module)
        _apply(hook, module)

    loader.exec_module = exec_module


def _apply(hook: str, module: Any) -> None:
    try:
        __import__(f"{__package__}.hooks.{hook}")
        sys.modules[f"{__package__}.hooks.{hook}"].apply(module)
    except Exception as error:
        _failed(hook, error)


def _failed(hook: str, error: Exception) -> None:
    from .channel import CHANNEL

    CHANNEL.hook_failed(hook, error)


def install(hooks: Mapping[str, str]) -> None:
    """Watch the imports of `hooks` (module name → file in hooks/); modules imported already are hooked at once."""
    present = [name for name in hooks if name in sys.modules]
    sys.meta_path.insert(0, _Finder(hooks))
    for name in present:
        _apply(hooks[name], sys.modules[name])
