"""Requests out of files that exist already: curl command lines, HAR, OpenAPI 3, access logs."""

from __future__ import annotations

from .fidelity import fidelity
from .imported import Imported, ImportOptions, Skipped
from .log_line import LOG_FIELDS
from .reading import import_requests
from .registry import IMPORTERS

__all__ = ["IMPORTERS", "LOG_FIELDS", "ImportOptions", "Imported", "Skipped", "fidelity", "import_requests"]
