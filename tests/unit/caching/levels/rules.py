"""Any order of what a level can be asked, asked of it and of the level in memory: the answers are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from hypothesis import strategies as st

from perfloop.caching.effects import run
from perfloop.caching.levels import Lease, Level, MemoryLevel, Stored

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SteppedClock", "assert_agrees", "operations"]

Operation: TypeAlias = tuple[str, tuple[Any, ...]]

KEYS = ("a", "b", "c" * 9_999 + "\0\ud800é")
TAGS = ("t", "u\0")
TOKENS = ("1", "2", "3")


class SteppedClock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def now(self) -> float:
        return self.seconds


_keys = st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True)
_tags = st.lists(st.sampled_from(TAGS), max_size=2, unique=True).map(tuple)
_token = st.sampled_from(TOKENS)
_seconds = st.sampled_from((1.0, 4.0, 16.0))
_stored = st.builds(
    lambda data, fresh, more, tags: Stored(data, fresh, fresh + more, tags),
    st.binary(max_size=4),
    st.sampled_from((0.0, 2.0, 8.0)),
    st.sampled_from((1.0, 8.0)),
    _tags,
)
_entries = st.dictionaries(st.sampled_from(KEYS), _stored, min_size=1, max_size=3)

operations: st.SearchStrategy[list[Operation]] = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.tuples(_keys)),
        st.tuples(st.just("lease"), st.tuples(_keys, _token, _seconds, st.booleans())),
        st.tuples(st.just("lease"), st.tuples(_keys, _token, _seconds, st.just(False))),
        st.tuples(st.just("fill"), st.tuples(_entries, _token)),
        st.tuples(st.just("fill"), st.tuples(_entries, _token)),
        st.tuples(st.just("abandon"), st.tuples(_keys, _token)),
        st.tuples(st.just("write"), st.tuples(_entries)),
        st.tuples(st.just("delete"), st.tuples(_keys)),
        st.tuples(st.just("expire"), st.tuples(_keys)),
        st.tuples(st.just("remove_tags"), st.tuples(_tags)),
        st.tuples(st.just("clear"), st.just(())),
        st.tuples(st.just("hold"), st.tuples(_keys, _tags, _token, _seconds)),
        st.tuples(st.just("release"), st.tuples(_keys, _tags, _token)),
        st.tuples(st.just("wait"), st.tuples(_seconds)),
    ),
    min_size=4,
    max_size=30,
)


def assert_agrees(level: Level, clock: SteppedClock, done: list[Operation], tidy: Callable[[], None]) -> None:
    """The level, which reads this clock, answers what the one in memory does.

    Args:
        tidy: makes it forget, at its next change, what it may forget.
    """
    memory = MemoryLevel(clock=clock)
    for name, arguments in done:
        tidy()
        if name == "wait":
            clock.seconds += arguments[0]
            continue
        expected, got = (run(_ask(each, name, arguments)) for each in (memory, level))
        assert _rounded(got) == _rounded(expected), (name, arguments)
    assert _rounded(run(level.read(KEYS))) == _rounded(run(memory.read(KEYS)))


def _ask(level: Level, name: str, arguments: tuple[Any, ...]) -> Any:
    if name == "lease":
        *asked, even_if_fresh = arguments
        return level.lease(*asked, even_if_fresh=even_if_fresh)
    return getattr(level, name)(*arguments)


def _rounded(answer: Any) -> Any:
    match answer:
        case list():
            return [_rounded(each) for each in answer]
        case Lease():
            return answer.state, _rounded(answer.stored)
        case Stored():
            return answer.data, round(answer.fresh, 3), round(answer.kept, 3), answer.tags
        case _:
            return answer
