"""Query advice: rules that find what a statement does dearly, and the proof of every rewrite they offer."""

from __future__ import annotations

from .advice import advise_queries, advise_statement
from .proof import ProofOptions, prove
from .rules import RULES
from .statement import Statement, parse

__all__ = ["RULES", "ProofOptions", "Statement", "advise_queries", "advise_statement", "parse", "prove"]
