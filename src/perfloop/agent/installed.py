"""Packages that an installer put beside other code, outside site-packages: `pip install --target`, a function's zip."""

from __future__ import annotations

import os
import sys

__all__ = ["is_installed"]

_LARGEST = 4_000_000
"""Of a list of installed files, in bytes; what is beyond is not read."""

_NAMES: dict[str, frozenset[str]] = {}
"""Directory → the packages and modules that installers put there."""


def is_installed(path: str) -> bool:
    """An installer put the file where it is, by the lists it left there (`*.dist-info/RECORD`).

    Args:
        path: absolute.
    """
    root = ""
    for entry in sys.path:
        if len(entry) > len(root) and path.startswith(entry.rstrip(os.sep) + os.sep):
            root = entry
    if not root:
        return False
    names = _NAMES.get(root)
    if names is None:
        names = _NAMES[root] = _installed_in(root)
    return bool(names) and path[len(root) :].lstrip(os.sep).partition(os.sep)[0] in names


def _installed_in(root: str) -> frozenset[str]:
    names: set[str] = set()
    try:
        for entry in os.listdir(root):
            if entry.endswith(".dist-info"):
                names |= _files_of(os.path.join(root, entry))
    except OSError:
        # A zip file, or a directory that is gone: nothing is known to be installed there.
        pass
    return frozenset(names)


def _files_of(information: str) -> set[str]:
    """First parts of a distribution's paths; none of the user's own project, which is installed from its source."""
    origin = os.path.join(information, "direct_url.json")
    if os.path.exists(origin) and '"dir_info"' in _text(origin):
        return set()
    return {
        line.partition(",")[0].partition("/")[0] for line in _text(os.path.join(information, "RECORD")).splitlines()
    }


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read(_LARGEST)
