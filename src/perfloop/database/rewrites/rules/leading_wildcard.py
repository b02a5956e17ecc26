"""`LIKE '%…'`: no B-tree index is of use, for the beginning of the text is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from ....records.query_advice import Alternative
from ..statement import quoted
from .rule import Draft, Facts, Rule, replaced, text_of, walked

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RULE"]


_COSTS = [
    "an index more to write and keep",
    "where a large share of the rows matches, reading the table is right and no index is used",
]


def _find(facts: Facts) -> Iterator[Draft]:
    for node in walked(facts, exp.Like, exp.ILike):
        pattern = text_of(node.args.get("expression"))
        found = facts.sources.of(node.this)
        if found is None:
            continue
        table, column = found
        place = f"{quoted(table.schema)}.{quoted(table.name)}" if table.schema else quoted(table.name)
        name = quoted(column.name)
        if pattern is None:
            # On PostgreSQL index advice tries a trigram index by these values, and says whether it pays.
            patterns = [] if facts.postgresql else facts.values(node.args.get("expression"))
            if patterns and all(isinstance(each, str) and _is_open(each) for each in patterns):
                what = f"LIKE, whose patterns begin with a wildcard: every row of {table.name} is read"
                yield Draft(
                    what=what,
                    node=node,
                    evidence=[f"no index on {column.name} serves a pattern whose beginning is open"],
                    costs=_COSTS,
                    alternatives=list(_alternatives(facts, place, table.name, name, "")),
                )
            continue
        if not _is_open(pattern):
            continue
        tail = pattern[1:]
        # An end of the text, and nothing else: the beginning of the text reversed.
        is_end = pattern[0] == "%" and not any(sign in tail for sign in "%_\\") and not column.padded
        reverses = facts.postgresql and is_end and isinstance(node, exp.Like)
        yield Draft(
            what=f"LIKE '{pattern}' begins with a wildcard: every row of {table.name} is read",
            node=node,
            evidence=[
                f"no index on {column.name} serves a pattern whose beginning is open",
                "a pattern narrowed until an index helps asks another question",
            ],
            rewrite=_reversed(facts, node, tail) if reverses else None,
            needs=[f"CREATE INDEX ON {place} (reverse({name}) text_pattern_ops)"] if reverses else [],
            costs=_COSTS,
            alternatives=list(_alternatives(facts, place, table.name, name, tail)),
        )


def _is_open(pattern: str) -> bool:
    """It begins with a wildcard, and asks for something."""
    return pattern.startswith(("%", "_")) and bool(pattern.strip("%_"))


def _reversed(facts: Facts, node: exp.Expr, tail: str) -> exp.Expr:
    turned = exp.Like(
        this=exp.func("REVERSE", node.this.copy(), dialect="postgres"), expression=exp.Literal.string(tail[::-1] + "%")
    )
    return replaced(facts.statement.tree, node, turned)


def _alternatives(facts: Facts, place: str, table: str, name: str, tail: str) -> Iterator[Alternative]:
    if facts.postgresql:
        yield Alternative(
            what="a trigram index serves patterns open at both ends, of three letters or more, as they are",
            sql=f"CREATE EXTENSION IF NOT EXISTS pg_trgm; CREATE INDEX ON {place} USING gin ({name} gin_trgm_ops)",
        )
        if tail.startswith("@"):
            yield Alternative(
                what="an index on the domain, asked by equality: the same only where a CHECK allows one @ and one case",
                sql=f"CREATE INDEX ON {place} (split_part({name}, '@', 2))",
                exact=False,
            )
    else:
        yield Alternative(
            what="an FTS5 table with the trigram tokenizer serves patterns open at both ends, of three letters or more",
            sql=f"CREATE VIRTUAL TABLE {quoted(table + '_text')} USING fts5({name}, tokenize='trigram')",
        )
        yield Alternative(
            what="for ends of texts: keep the text reversed in a column of its own, indexed, and ask for its beginning "
            "(LIKE ignores the case of ASCII letters here: COLLATE NOCASE)",
        )


RULE = Rule("leading-wildcard", "a LIKE pattern that begins with a wildcard", _find)
