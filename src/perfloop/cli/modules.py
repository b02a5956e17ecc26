"""Importing a module of the user's, by name or by file."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..exceptions import ConfigurationError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["import_module"]


def import_module(text: str, *, where: str) -> ModuleType:
    """The module `shop.policies`, looked for from the working directory, or that of the file `shop/policies.py`.

    Raises:
        ConfigurationError: there is none, or it cannot be imported; names the line to blame.
    """
    from ..loadtest.scenario.programming import described

    file = Path(text) if text.endswith(".py") else None
    if file is not None and not file.is_file():
        raise ConfigurationError("Expected a Python file, but there is none", got=text, where=where)
    directory = str(Path.cwd() if file is None else file.resolve().parent)
    if directory not in sys.path:
        sys.path.insert(0, directory)
    name = text if file is None else file.stem
    try:
        found = None if file is None and not _is_name(text) else importlib.util.find_spec(name)
        if found is not None and (file is None or _is_at(found.origin, file)):
            return importlib.import_module(name)
        if file is not None:
            return _by_file(name, file)
    except (Exception, SystemExit) as error:
        raise ConfigurationError(f"The module cannot be imported: {described(error)}", got=text, where=where) from error
    raise ConfigurationError(
        "Expected a module that can be imported from here, such as shop.policies, or a file: shop/policies.py",
        got=text,
        where=where,
    )


def _is_name(text: str) -> bool:
    return all(word.isidentifier() for word in text.split("."))


def _is_at(origin: str | None, file: Path) -> bool:
    return origin is not None and Path(origin).resolve() == file.resolve()


def _by_file(name: str, file: Path) -> ModuleType:
    """A file whose name means another module here, such as `test.py`."""
    spec = importlib.util.spec_from_file_location(f"perfloop_checked_{name}", file.resolve())
    assert spec is not None, "a name that ends in .py has a loader"
    assert spec.loader is not None, "a name that ends in .py has a loader"
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
