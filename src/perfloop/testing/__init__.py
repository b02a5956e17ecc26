"""Suites that people run on parts of their own, and a clock for their tests."""

from .fake_clock import FakeClock
from .level_conformance import LevelConformance

__all__ = ["FakeClock", "LevelConformance"]
