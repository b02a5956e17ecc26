"""An index as data."""

from __future__ import annotations

import pytest

from perfloop.database.indexes.definition import IndexDefinition, IndexKey, quote_identifier, quote_name

from .tables import index


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("orders", "orders"),
        ("Orders", '"Orders"'),
        ("order", '"order"'),
        ("a b", '"a b"'),
        ('a"b', '"a""b"'),
        ("é", '"é"'),
    ],
)
def test_names_are_quoted_where_they_have_to_be(name: str, quoted: str) -> None:
    assert quote_identifier(name) == quoted


def test_a_schema_stands_before_the_name() -> None:
    assert quote_name("App", "user") == '"App"."user"'
    assert quote_name(None, "user") == '"user"'


def test_every_part_is_written() -> None:
    definition = IndexDefinition(
        "app",
        "Order",
        (
            IndexKey(column="Id"),
            IndexKey(expression="lower(note)", operator_class="text_pattern_ops"),
            IndexKey(column="at", descending=True, nulls_first=False),
        ),
        include=("total", "user"),
        where="status = 'open'",
        unique=True,
    )
    assert definition.create_sql("postgresql", name="x", concurrently=True) == (
        'CREATE UNIQUE INDEX CONCURRENTLY x ON app."Order" ("Id", (lower(note)) text_pattern_ops, at DESC NULLS LAST)'
        " INCLUDE (total, \"user\") WHERE status = 'open'"
    )
    assert definition.drop_sql("postgresql", name="x") == "DROP INDEX app.x"
    assert definition.drop_sql("sqlite", name="x") == "DROP INDEX x"


def test_nulls_are_said_only_where_they_are_not_natural() -> None:
    assert IndexKey(column="a", descending=True, nulls_first=True).sql == "a DESC"
    assert IndexKey(column="a", nulls_first=True).sql == "a NULLS FIRST"


def test_a_key_is_a_column_or_an_expression() -> None:
    with pytest.raises(ValueError, match="either"):
        IndexKey()
    with pytest.raises(ValueError, match="either"):
        IndexKey(column="a", expression="b")


def test_names_are_speaking_short_and_different_for_different_indexes() -> None:
    plain = index("orders", "customer_id", "created_at")
    assert plain.name == "orders_customer_id_created_at_idx"
    others = [
        index("orders", "customer_id", "created_at", include=("total",)),
        index("orders", "customer_id", "created_at", where="status = 'open'"),
        index("orders", *(f"a_rather_long_column_{number}" for number in range(6))),
        index("orders", *(f"a_rather_long_column_{number}" for number in range(7))),
    ]
    names = [plain.name, *(each.name for each in others)]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 63


def test_what_an_update_touches() -> None:
    definition = IndexDefinition(
        None,
        "t",
        (IndexKey(column="a"), IndexKey(expression="b + c")),
        include=("d",),
        where="e",
        referred=frozenset("bce"),
    )
    assert definition.touched_columns == set("abcde")
    assert definition.held_columns == {"a", "d"}
    assert definition.columns == ("a",)
