"""What may be dropped, and what must stay."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perfloop.database.indexes.unused import droppable

from .tables import existing, index, shop


def dropped(*held: object, **options: object) -> list[tuple[str, str, str | None]]:
    catalogue = shop(*held)  # type: ignore[arg-type]
    return sorted((each.name, each.kind, each.covered_by) for each in droppable(catalogue, **options))  # type: ignore[arg-type]


BY_CUSTOMER = existing(index("orders", "customer_id"), "by_customer", scans=5)


def test_a_duplicate_goes_once() -> None:
    assert dropped(BY_CUSTOMER, replace(BY_CUSTOMER, name="again")) == [("by_customer", "duplicate", "again")]


def test_a_prefix_of_a_longer_index_is_redundant() -> None:
    longer = existing(index("orders", "customer_id", "total"), "longer", scans=5)
    assert dropped(BY_CUSTOMER, longer) == [("by_customer", "redundant", "longer")]


def test_an_advised_index_makes_its_prefix_redundant() -> None:
    advised = index("orders", "customer_id", include=("total",))
    assert dropped(BY_CUSTOMER, advised=[advised]) == [("by_customer", "redundant", advised.name)]


@pytest.mark.parametrize(
    "longer",
    [
        index("orders", "customer_id", "total", where="status = 'open'"),  # partial: it has not all rows
        index("orders", "total", "customer_id"),
        replace(index("orders", "customer_id", "total"), method="gist"),
    ],
)
def test_what_does_not_do_the_same_makes_nothing_redundant(longer: object) -> None:
    assert dropped(BY_CUSTOMER, existing(longer, "longer", scans=5)) == []  # type: ignore[arg-type]


def test_a_partial_index_is_not_redundant_to_a_full_one() -> None:
    partial = existing(index("orders", "customer_id", where="status = 'open'"), "partial", scans=5)
    full = existing(index("orders", "customer_id", "total"), "full", scans=5)
    assert dropped(partial, full) == []


def test_partial_indexes_with_the_same_condition_are_compared() -> None:
    short = existing(index("orders", "id", where="((status)::text = 'open'::text)"), "short", scans=5)
    long = existing(index("orders", "id", "total", where="status = 'open'"), "long", scans=5)
    assert dropped(short, long) == [("short", "redundant", "long")]


def test_a_covering_index_is_not_redundant_to_one_that_holds_less() -> None:
    covering = existing(index("orders", "customer_id", include=("note",)), "covering", scans=5)
    assert dropped(covering, existing(index("orders", "customer_id", "total"), "longer", scans=5)) == []


def test_constraints_and_unique_indexes_stay() -> None:
    longer = existing(index("orders", "customer_id", "total"), "longer", scans=5)
    assert dropped(replace(BY_CUSTOMER, constraint=True), longer) == []
    assert dropped(existing(index("orders", "customer_id", unique=True), "unique", scans=0), longer) == []


def test_a_plain_copy_of_a_unique_index_goes() -> None:
    unique = existing(index("orders", "customer_id", unique=True), "unique", scans=5, constraint=True)
    assert dropped(BY_CUSTOMER, unique) == [("by_customer", "duplicate", "unique")]


def test_an_invalid_index_goes_unless_it_is_being_built() -> None:
    broken = replace(BY_CUSTOMER, valid=False)
    assert dropped(broken) == [("by_customer", "invalid", None)]
    assert dropped(replace(broken, building=True)) == []


def test_unused_needs_time_and_a_workload_that_does_not_use_it() -> None:
    never = replace(BY_CUSTOMER, scans=0)
    assert dropped(never) == [("by_customer", "unused", None)]
    assert dropped(never, used=frozenset({"by_customer"})) == []
    assert dropped(replace(never, scans=None)) == []
    assert droppable(replace(shop(never), statistics_days=0.5)) == []
    assert droppable(replace(shop(never), statistics_days=None)) == []


def test_small_ones_are_not_worth_it_unless_they_are_copies_or_broken() -> None:
    small, longer = replace(BY_CUSTOMER, size_bytes=16_384), existing(index("orders", "customer_id", "total"), "longer")
    assert dropped(small, longer) == []
    assert dropped(replace(small, scans=0)) == []
    assert dropped(replace(small, valid=False)) == [("by_customer", "invalid", None)]
    assert dropped(small, replace(BY_CUSTOMER, name="again")) == [("by_customer", "duplicate", "again")]
    catalogue = shop(BY_CUSTOMER, longer)
    tables = {key: replace(each, pages=1) for key, each in catalogue.tables.items()}
    assert droppable(replace(catalogue, tables=tables)) == []


def test_what_supports_a_foreign_key_is_not_called_unused() -> None:
    from perfloop.database.indexes.catalogue import ForeignKey

    catalogue = shop(replace(BY_CUSTOMER, scans=0))
    key = ForeignKey(("customer_id",), ("public", "customer"), ("id",))
    table = replace(catalogue.tables["public", "orders"], foreign_keys=(key,))
    assert droppable(replace(catalogue, tables={table.key: table})) == []


def test_each_says_how_to_drop_it_and_how_to_bring_it_back() -> None:
    [found] = droppable(shop(replace(BY_CUSTOMER, scans=0, size_bytes=81_920)))
    assert found.drop_sql == "DROP INDEX CONCURRENTLY public.by_customer"
    assert found.create_sql == "CREATE INDEX by_customer ON public.orders (customer_id)"
    assert "30 days" in found.reason
