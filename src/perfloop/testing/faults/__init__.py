"""Faults on purpose: slow answers, errors, reset connections and bodies that end early, in tests and never else."""

from .asgi import FaultMiddleware
from .fault import Fault, parse_fault
from .injector import FAULT_HEADER, Faults
from .wsgi import WSGIFaultMiddleware

__all__ = ["FAULT_HEADER", "Fault", "FaultMiddleware", "Faults", "WSGIFaultMiddleware", "parse_fault"]
