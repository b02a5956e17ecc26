"""`@cached` and the keys it makes of arguments."""

from __future__ import annotations

import enum
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.caching import CacheAside, EntryOptions, MemoryLevel, MultiLevelCache, cached
from perfloop.caching.call_keys import key_template, read_template, text_of
from perfloop.exceptions import ConfigurationError, InvalidValue

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Open(enum.IntFlag, boundary=enum.KEEP):
    READ = 1


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.binary(max_size=4),
    st.uuids(),
    st.sampled_from(Colour),
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner), max_leaves=5)


def same(one: Any, other: Any) -> bool:
    """Whether they are equal and of the same types, all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(repr(one) == repr(other))


@given(VALUES, VALUES)
def test_different_values_have_different_texts(one: Any, other: Any) -> None:
    assert (text_of(one) == text_of(other)) == same(one, other)


@given(st.tuples(VALUES, VALUES), st.tuples(VALUES, VALUES), st.sampled_from(["{a}:{b}", "x-{a}-{b}", "{a} of {b}."]))
def test_different_arguments_have_different_keys(one: tuple[Any, Any], other: tuple[Any, Any], template: str) -> None:
    def function(a: int, b: str) -> None: ...

    key = read_template(template, inspect.signature(function))
    assert (key(one, {}) == key(other, {})) == same(one, other)


def test_enums_of_one_name_in_two_modules_and_flags_without_names() -> None:
    other = enum.Enum("Colour", {"RED": 1}, module="elsewhere")
    texts = [text_of(each) for each in (Colour.RED, other["RED"], Open(1), Open(8), Open(16), Open(9))]
    assert len(set(texts)) == len(texts)


def test_a_call_has_one_key_however_it_is_written() -> None:
    def function(a: int, b: str = "x", *rest: int, c: bool = True, **more: int) -> None: ...

    def plain(a: int, b: str = "x") -> None: ...

    every = key_template(inspect.signature(function), "f")
    assert every((1,), {}) == every((1, "x"), {}) == every((), {"b": "x", "a": 1, "c": True})
    assert len({every((1,), {}), every((1, "x", 2), {}), every((1,), {"c": False}), every((1,), {"d": 2})}) == 4
    two = key_template(inspect.signature(plain), "p")
    assert two((1,), {}) == two((1, "x"), {}) == two((), {"b": "x", "a": 1}) == "p:1,x"


def test_readable_keys() -> None:
    def function(user_id: int, name: str, token: uuid.UUID) -> None: ...

    key = read_template("user:{user_id}:{name}", inspect.signature(function), "shop")
    assert key((42, "Ada Lovelace", None), {}) == "shop:user:42:Ada Lovelace"
    assert key(("42", "a:b", None), {}) == "shop:user:%S42:a%3Ab"


@pytest.mark.parametrize("template", ["{nobody}", "{a", "{a!r}", "{a:>5}", "{}", "{a}{b}", "{a}x{b}", "{a}%{b}"])
def test_templates_that_cannot_be_used(template: str) -> None:
    def function(a: int, b: str) -> None: ...

    with pytest.raises(ConfigurationError):
        read_template(template, inspect.signature(function))


def test_one_text_in_the_place_of_several_tags_is_refused() -> None:
    with pytest.raises(InvalidValue, match="tags in a list, got 'company'"):
        cached(tags="company")


def test_an_argument_without_a_text_of_its_own_is_refused() -> None:
    with pytest.raises(InvalidValue, match="got a object") as caught:
        text_of(object())
    assert "matter to the result" in str(caught.value.hint)


def test_results_are_kept_and_forgotten() -> None:
    calls: list[tuple[int, str]] = []

    @cached(ttl=60, key="user:{user_id}", tags=["company:{company}"])
    def user(user_id: int, company: str = "acme") -> str:
        """A user's name."""
        calls.append((user_id, company))
        return f"{user_id} of {company}"

    assert [user(1), user(1), user(user_id=1), user(2)] == ["1 of acme"] * 3 + ["2 of acme"]
    assert len(calls) == 2
    user.invalidate(1)
    user(1)
    assert len(calls) == 3
    user.cache.remove_tags("company:acme")
    user(1)
    user(2)
    assert len(calls) == 5
    assert (user.__name__, user.__doc__) == ("user", "A user's name.")


async def test_coroutine_functions() -> None:
    calls: list[int] = []

    @cached(60)
    async def double(number: int) -> int:
        calls.append(number)
        return 2 * number

    assert inspect.iscoroutinefunction(double.__call__)  # as frameworks ask
    assert [await double(4), await double(number=4)] == [8, 8]
    await double.invalidate(4)
    assert await double(4) == 8
    assert calls == [4, 4]


def test_methods() -> None:
    class Users:
        def __init__(self, name: str) -> None:
            self.name = name

        @cached(60, key="{user_id}")
        def get(self, user_id: int) -> str:
            return f"{self.name} {user_id}"

        @cached(60)
        def everything(self) -> str:
            return self.name

    assert Users("a").get(1) == "a 1"
    with pytest.raises(InvalidValue, match=r"got a .*Users"):
        Users("a").everything()


def test_results_are_shared_by_processes() -> None:
    levels, calls = [MemoryLevel()], []

    def make() -> Callable[[int], int]:
        @cached(60, namespace="square", levels=levels)
        def square(number: int) -> int:
            calls.append(number)
            return number * number

        return square

    assert [make()(3), make()(3)] == [9, 9]
    assert calls == [3]


def test_a_function_that_does_not_say_what_it_returns_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="declare what it returns"):

        @cached(60)
        def anything(number: int):  # type: ignore[no-untyped-def]
            return number


def test_cache_aside() -> None:
    rows = {"u1": "Ada"}
    levels = [MemoryLevel()]

    def users() -> CacheAside[str, str]:
        return CacheAside(MultiLevelCache(str, levels=levels), lambda key: rows[key], options=EntryOptions(ttl=60))

    one, other = users(), users()
    assert (one.get("u1"), other.get("u1")) == ("Ada", "Ada")
    with one.writing("u1"):
        rows["u1"] = "Ada Lovelace"
    assert one.get("u1") == "Ada Lovelace"


def test_cache_aside_holds_several_keys_and_those_with_a_tag() -> None:
    rows = {"u1": "Ada", "u2": "Grace", "u3": "Barbara"}
    users = CacheAside(MultiLevelCache(str), rows.__getitem__, options=EntryOptions(tags=lambda name: [name[0]]))
    assert [users.get(key) for key in rows] == ["Ada", "Grace", "Barbara"]
    with users.writing("u1", "u2", tags=["B"]):
        rows.update(dict.fromkeys(rows, "Betty"))
        assert [users.get(key) for key in rows] == ["Betty"] * 3
        assert [users.cache.get(key) for key in rows] == [None] * 3


async def test_cache_aside_in_an_event_loop() -> None:
    rows = {1: "Ada"}

    async def load(key: int) -> str:
        return rows[key]

    users = CacheAside(MultiLevelCache(str, key=int), load)
    assert await users.aget(1) == "Ada"
    async with users.awriting(1):
        rows[1] = "Grace"
        assert await users.aget(1) == "Grace"
    assert await users.aget(1) == "Grace"


class Shop:
    def __init__(self) -> None:
        self.calls = 0

    @cached(60, key="article:{number}", tags=lambda name: [f"letter {name[0]}"])
    def article(self, number: int) -> str:
        self.calls += 1
        return f"tea {number}"


def test_a_method_of_an_object_is_forgotten_through_it() -> None:
    shop = Shop()
    assert [shop.article(1), shop.article(1), shop.calls] == ["tea 1", "tea 1", 1]
    assert shop.article.key(1) == "article:1"
    shop.article.invalidate(1)
    shop.article(1)
    shop.article.cache.remove_tags("letter t")
    shop.article(1)
    assert shop.calls == 3


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda: cached(60, tags="user"), r"Expected tags in a list, got 'user'"),
        (lambda: cached(60)(classmethod(text_of)), "Expected a function to decorate, got a classmethod"),  # type: ignore[call-overload]
        (lambda: cached(text_of)(1), "Expected a function to decorate, got a int"),  # type: ignore[arg-type, call-overload]
    ],
)
def test_a_wrong_decoration_is_told(use: Callable[[], Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        use()
