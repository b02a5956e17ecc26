"""Registries in the formats of other systems, one file each."""

from __future__ import annotations
