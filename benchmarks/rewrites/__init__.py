"""Area `rewrites`: does the proof of rewrites let a wrong one pass, and does it let right ones pass?

Queries are drawn at random over a small schema, most on SQLite and some on PostgreSQL. For each, the rules' own
rewrites are offered, tempting ones that are right for some queries and wrong for others, and what sqlglot's optimiser
makes of it. What the proof accepts is judged by an oracle that shares nothing with it; what it rejects must come with
rows that the oracle, too, sees answered differently.

- `wrong_rewrites_accepted`: accepted, and the oracle has a database that answers them differently;
- `wrong_offered`: wrong ones among what was offered, as the oracle confirmed;
- `rewrites_accepted`, `rules_accepted`: right ones let pass, and those of them that the rules offer;
- `counterexamples_unconfirmed`: rejected with rows that the oracle sees answered alike;
- `oracle_databases`, `datasets`: what the oracle and the proof tried;
- the guide's rewrites on tables of tens of thousands of rows, by database: see `guide.py`.
"""

from __future__ import annotations

import random
import sqlite3
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.string import TextLoader

from perfloop.database import Database, open_database, run_local_server
from perfloop.database.rewrites import RULES, ProofOptions, parse, prove
from perfloop.database.rewrites.proof import open_engine
from perfloop.database.rewrites.rules import Facts
from perfloop.database.rewrites.statement import generate

from ..progress import say
from . import guide
from .candidates import Candidate, tempting
from .oracle import Oracle, PostgreSQLOracle, SQLiteOracle, confirm
from .queries import SCHEMA, draw_query

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["run"]

# Queries on each database; chunks of them are worked on side by side.
_QUERIES = {"sqlite": 420, "postgresql": 80}
_CHUNK = 20
_TEMPTING = 2
# Share of the queries that the optimiser's answer is offered for, most of it harmless.
_OPTIMISED = 0.35
# Databases the oracle makes for each rewrite that is accepted.
_ORACLE = {"sqlite": 1200, "postgresql": 150}


def run(full: bool) -> dict[str, Any]:
    """Offer, prove and judge.

    Args:
        full: three times the queries, and longer measurements of the guide's rewrites.
    """
    factor = 3 if full else 1
    with tempfile.TemporaryDirectory(prefix="perfloop-rewrites-") as name, run_local_server() as server:
        directory = Path(name)
        for database in ("generated", "guide"):
            with psycopg.connect(server.dsn(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {database}".encode())
        with psycopg.connect(server.dsn("generated"), autocommit=True) as connection:
            connection.execute(SCHEMA.encode())
        _create(directory / "generated.sqlite3")
        figures = guide.figures(directory, server.dsn("guide"), full=full)
        places = {"sqlite": str(directory / "generated.sqlite3"), "postgresql": server.dsn("generated")}
        tasks = [
            (dialect, places[dialect], range(first, first + _CHUNK))
            for dialect, count in _QUERIES.items()
            for first in range(0, count * factor, _CHUNK)
        ]
        tasks.sort(key=lambda task: task[0])  # the slower ones first
        counts: Counter[str] = Counter()
        with ProcessPoolExecutor(2) as pool:
            for number, done in enumerate(pool.map(_judge, tasks), start=1):
                counts += done
                say(f"rewrites: {number} of {len(tasks)} parts")
    proofs = counts["rewrites_offered"]
    counted: dict[str, float] = {name: counts[name] for name in _COUNTED}
    counted["mutants_caught"] = counts["mutants_caught"] / max(counts["mutants"], 1)
    counted["proof_ms"] = counts["proof_us"] / 1000 / max(proofs, 1)
    return {
        "figures": {**counted, **figures},
        "peers": {"sqlglot_offered": counts["sqlglot_offered"], "sqlglot_wrong": counts["sqlglot_wrong"]},
    }


_COUNTED = (
    "queries",
    "rewrites_offered",
    "wrong_offered",
    "wrong_rewrites_accepted",
    "rewrites_accepted",
    "rules_offered",
    "rules_accepted",
    "rewrites_rejected",
    "counterexamples_unconfirmed",
    "not_provable",
    "datasets",
    "oracle_databases",
)


def _create(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(SCHEMA)
    connection.close()


def _judge(task: tuple[str, str, range]) -> Counter[str]:
    """One chunk of queries on one database."""
    dialect, place, numbers = task
    counts: Counter[str] = Counter()
    with open_database(place, writable=True) as database:
        connection = None if dialect == "sqlite" else _connect(place, f"oracle_{numbers.start}")
        oracle: Oracle = SQLiteOracle() if connection is None else PostgreSQLOracle(connection)
        for number in numbers:
            choice = random.Random(f"{dialect} {number}")
            query = draw_query(choice)
            counts["queries"] += 1
            for candidate in _candidates(database, query, dialect, choice):
                _judge_one(database, oracle, query, candidate, number, dialect, counts)
        counts["oracle_databases"] += oracle.databases
        if connection is not None:
            connection.close()
    return counts


def _connect(place: str, schema: str) -> psycopg.Connection[Any]:
    """A connection for the oracle, with tables of its own: two of them would wait for each other's keys."""
    connection = psycopg.connect(place, autocommit=True, options="-c jit=off")
    connection.execute(f"CREATE SCHEMA {schema}".encode())
    connection.execute(f"SET search_path = {schema}".encode())
    connection.execute(SCHEMA.encode())
    connection.adapters.register_loader("timestamp", TextLoader)  # Python has no infinite one
    return connection


def _candidates(database: Database, query: str, dialect: str, choice: random.Random) -> Iterator[Candidate]:
    engine = open_engine(database)
    statement = parse(query, engine.dialect)
    facts = Facts(statement, engine.tables([statement]))
    for rule in RULES:
        for draft in rule.find(facts):
            if draft.rewrite is not None:
                tree = draft.keyset.proven if draft.keyset is not None else draft.rewrite
                yield Candidate("rules", generate(tree, engine.dialect))
    offered = list(tempting(query, "postgres" if dialect == "postgresql" else dialect))
    optimised = [candidate for candidate in offered if candidate.source == "sqlglot"]
    others = [candidate for candidate in offered if candidate.source != "sqlglot"]
    yield from choice.sample(others, min(len(others), _TEMPTING))
    if choice.random() < _OPTIMISED:
        yield from optimised


def _judge_one(
    database: Database,
    oracle: Oracle,
    query: str,
    candidate: Candidate,
    number: int,
    dialect: str,
    counts: Counter[str],
) -> None:
    began = time.perf_counter()
    proof = prove(database, query, candidate.sql, measured=False, options=ProofOptions(seed=number))
    counts["proof_us"] += int((time.perf_counter() - began) * 1e6)
    counts["rewrites_offered"] += 1
    counts["datasets"] += proof.datasets
    counts[f"{candidate.source}_offered"] += 1
    if proof.mutants_caught is not None:
        counts["mutants_caught"] += proof.mutants_caught[0]
        counts["mutants"] += proof.mutants_caught[1]
    if proof.verdict == "not provable":
        counts["not_provable"] += 1
    elif proof.verdict == "rejected":
        counts["rewrites_rejected"] += 1
        assert proof.counterexample is not None
        pair = proof.counterexample.statements or [query, candidate.sql]
        if confirm(oracle, pair[0], pair[1], proof.counterexample.tables):
            counts["wrong_offered"] += 1
            counts[f"{candidate.source}_wrong"] += 1
        else:
            counts["counterexamples_unconfirmed"] += 1
    else:
        counts["rewrites_accepted"] += 1
        counts[f"{candidate.source}_accepted"] += 1
        if oracle.differ(query, candidate.sql, seed=number, count=_ORACLE[dialect]):
            counts["wrong_offered"] += 1
            counts["wrong_rewrites_accepted"] += 1
