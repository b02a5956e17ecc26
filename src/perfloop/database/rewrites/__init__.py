"""Query advice: rules that find what a statement does dearly, and the proof of every rewrite they offer."""

from __future__ import annotations

from .proof import ProofOptions, prove
from .statement import Statement, parse

__all__ = ["ProofOptions", "Statement", "parse", "prove"]
