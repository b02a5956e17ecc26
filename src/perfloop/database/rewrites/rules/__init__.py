"""The rules of query advice, one file each: pure functions of a statement and the tables it reads."""

from __future__ import annotations

from . import (
    correlated_subquery,
    count_for_existence,
    distinct_join,
    function_on_column,
    implicit_cast,
    in_list,
    leading_wildcard,
    missing_limit,
    not_in_nulls,
    offset_paging,
    or_across_columns,
    select_star,
)
from .rule import Draft, Facts, Rule

__all__ = ["RULES", "Draft", "Facts", "Rule"]

RULES: tuple[Rule, ...] = (
    leading_wildcard.RULE,
    function_on_column.RULE,
    implicit_cast.RULE,
    or_across_columns.RULE,
    offset_paging.RULE,
    not_in_nulls.RULE,
    distinct_join.RULE,
    correlated_subquery.RULE,
    count_for_existence.RULE,
    in_list.RULE,
    select_star.RULE,
    missing_limit.RULE,
)
