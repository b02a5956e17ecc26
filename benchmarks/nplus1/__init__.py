"""Area `nplus1`: are N+1 found, and nothing that only looks like one, and what does capturing statements cost?

Sixteen requests with an N+1 (SQLAlchemy sync and async, Django, sqlite3, psycopg, asyncpg; loops, comprehensions,
templates, a serialiser, nested, across query sets) and sixteen healthy ones that look like it (creates, batches, pages,
polling, retries, a queue …), on real SQLite and PostgreSQL, each watched by `capture_statements`.

- `recall`: planted ones found, as a share;
- `false_positives`: findings in healthy requests, and in planted ones at lines where none was planted;
- `loaders_right`: of the planted ones found, the share with the right loader;
- `capture_vs_opentelemetry`: added processor time a statement, ÷ what opentelemetry-instrumentation-sqlalchemy adds
  with the SDK's tracer provider and no processor behind it, on SQLAlchemy 2.0, which it supports; the worse of Core and
  ORM.
  Short slices of bare, ours and theirs in turn, the median of the rounds' ratios.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..progress import say
from .cases import judge, prepared_world
from .planted import PLANTED

__all__ = ["run"]

_ROUNDS = 9


def run(full: bool) -> dict[str, Any]:
    """Judge the requests, then measure.

    Args:
        full: four times the rounds.
    """
    with prepared_world() as world:
        said = judge(world)
    for what, names in said.items():
        if names:
            say(f"{what}: {', '.join(names)}")
    found = len(PLANTED) - len(said["missed"])
    cost = _cost(_ROUNDS * (4 if full else 1))
    ratios = {kind: each["ratio"] for kind, each in cost["kinds"].items()}
    figures = {
        "recall": found / len(PLANTED),
        "false_positives": len(said["false"]) + len(said["misplaced"]),
        "loaders_right": 1 - len(said["wrong_loader"]) / max(found, 1),
        "capture_vs_opentelemetry": max(ratios.values()),
        **{f"{kind}_vs_opentelemetry": ratio for kind, ratio in ratios.items()},
        **{f"{kind}_added_us": each["ours_us"] for kind, each in cost["kinds"].items()},
        "rounds": cost["rounds"],
    }
    peers = {f"opentelemetry_{kind}_added_us": each["theirs_us"] for kind, each in cost["kinds"].items()}
    return {"figures": figures, "peers": {**peers, "sqlalchemy": cost["sqlalchemy"]}}


def _cost(rounds: int) -> dict[str, Any]:
    """What `overhead` measures, in an interpreter with the SQLAlchemy that the peer supports."""
    command = [sys.executable, "-m", "benchmarks.nplus1.overhead", str(rounds)]
    older = _supported_sqlalchemy()
    path = os.pathsep.join([*([str(older)] if older else []), *filter(None, sys.path)])
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    if done.returncode:
        raise RuntimeError(done.stderr)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _supported_sqlalchemy() -> Path | None:
    """A directory with SQLAlchemy 2.0, fetched once; None where it is the one installed."""
    if version("sqlalchemy").startswith("2.0."):
        return None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "perfloop-benchmarks" / "sqlalchemy-2.0"
    if not (cache / "sqlalchemy").is_dir():
        say("fetching SQLAlchemy 2.0 for the peer, which supports no later one")
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(cache)]
        subprocess.run([*install, "sqlalchemy>=2.0,<2.1"], check=True)
    return cache
