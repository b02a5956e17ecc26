"""Suites that people run on parts of their own."""

from .level_conformance import LevelConformance

__all__ = ["LevelConformance"]
