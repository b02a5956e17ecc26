"""Any sequence of what can be done with a level, and what came of it where time does not matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from perfloop.caching import Lease, Level, Stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfloop.caching.effects import Program

__all__ = ["answers", "operations"]

LONG = 3600.0

keys = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3)
tags = st.lists(st.sampled_from(["x", "y", "z"]), max_size=3)
tokens = st.sampled_from(["one", "two"])
values = st.builds(
    Stored,
    data=st.binary(max_size=3),
    fresh=st.sampled_from([LONG, -1.0]),
    kept=st.just(2 * LONG),
    tags=st.lists(st.sampled_from(["x", "y", "z"]), max_size=2, unique=True).map(tuple),
)
entries = st.dictionaries(st.sampled_from(["a", "b", "c"]), values, max_size=3)
long = st.just(LONG)

operations = st.lists(
    st.one_of(
        st.tuples(st.just("read"), keys),
        st.tuples(st.just("lease"), keys, tokens, long, st.booleans()),
        st.tuples(st.just("fill"), entries, tokens),
        st.tuples(st.just("fill"), entries, tokens),
        st.tuples(st.just("abandon"), keys, tokens),
        st.tuples(st.just("write"), entries),
        st.tuples(st.just("delete"), keys),
        st.tuples(st.just("expire"), keys),
        st.tuples(st.just("remove_tags"), tags),
        st.tuples(st.just("clear")),
        st.tuples(st.just("hold"), keys, tags, tokens, long),
        st.tuples(st.just("release"), keys, tags, tokens),
    ),
    max_size=30,
)


def answers(level: Level, sequence: list[Any], shell: Callable[[Program[Any]], Any]) -> list[Any]:
    """What a level answers to each, and what it has at the end."""
    found = []
    for name, *arguments in [*sequence, ("read", ["a", "b", "c"])]:
        options = {"even_if_fresh": arguments.pop()} if name == "lease" else {}
        answer = shell(getattr(level, name)(*arguments, **options))
        found.append([_timeless(each) for each in answer] if isinstance(answer, list) else answer)
    return found


def _timeless(answer: Any) -> Any:
    if isinstance(answer, Stored):
        return answer.data, answer.fresh > 0, answer.tags
    if isinstance(answer, Lease):
        return answer.state, _timeless(answer.stored)
    return answer
