"""Suites that people run on parts of their own, a clock for their tests, and faults on purpose."""

from .fake_clock import FakeClock
from .faults import FAULT_HEADER, Fault, FaultMiddleware, Faults, WSGIFaultMiddleware, parse_fault
from .level_conformance import LevelConformance

__all__ = [
    "FAULT_HEADER",
    "FakeClock",
    "Fault",
    "FaultMiddleware",
    "Faults",
    "LevelConformance",
    "WSGIFaultMiddleware",
    "parse_fault",
]
