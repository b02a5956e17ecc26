"""What a type checker says of the cache: `make check` reads this file, and nothing runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_type

import msgspec

from perfloop import CacheAside, EntryOptions, MultiLevelCache, cached

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from perfloop.caching import AsyncCached, Cached


class User(msgspec.Struct, frozen=True):
    name: str


users: MultiLevelCache[str, User] = MultiLevelCache(User)
visits = MultiLevelCache[tuple[str, int], list[int]](list[int], key=tuple[str, int])


def load() -> User:
    return User("Ada")


async def aload() -> User:
    return User("Ada")


def load_many(keys: list[str]) -> dict[str, User]:
    return {key: User(key) for key in keys}


async def aload_many(keys: list[str]) -> dict[str, User]:
    return load_many(keys)


def threads() -> None:
    assert_type(users.get("u1"), User | None)
    assert_type(users.get("u1", User("nobody")), User | None)
    assert_type(users.get_many(["u1"]), dict[str, User])
    assert_type(users.get_or_load("u1", load), User)
    assert_type(users.get_or_load("u1", load, EntryOptions(ttl=5)), User)
    assert_type(users.get_or_load_many(["u1"], load_many), dict[str, User])
    assert_type(visits.get(("u1", 7)), list[int] | None)
    users.set("u1", User("Ada"))
    users.set_many({"u1": User("Ada")})
    with users.writing("u1", tags=["company"]):
        users.delete("u1", "u2")

    users.get(1)  # type: ignore[arg-type]
    users.set("u1", "Ada")  # type: ignore[arg-type]
    users.set_many({1: User("Ada")})  # type: ignore[dict-item]
    users.delete(("u1", 7))  # type: ignore[arg-type]
    users.get_or_load("u1", lambda: "Ada")  # type: ignore[arg-type, return-value]
    users.get_or_load("u1", aload)  # type: ignore[arg-type]
    users.get_or_load_many(["u1"], load)  # type: ignore[arg-type]
    visits.get(("u1", "7"))  # type: ignore[arg-type]


async def event_loop() -> None:
    assert_type(await users.aget("u1"), User | None)
    assert_type(await users.aget_many(["u1"]), dict[str, User])
    assert_type(await users.aget_or_load("u1", load), User)
    assert_type(await users.aget_or_load("u1", aload), User)
    assert_type(await users.aget_or_load_many(["u1"], load_many), dict[str, User])
    assert_type(await users.aget_or_load_many(["u1"], aload_many), dict[str, User])
    async with users.awriting("u1"):
        await users.aset("u1", User("Ada"))

    await users.aget(1)  # type: ignore[arg-type]
    await users.aset("u1", "Ada")  # type: ignore[arg-type]


@cached(60, key="user:{user_id}")
def user(user_id: int, *, full: bool = False) -> User:
    return load()


@cached(60)
async def user_later(user_id: int) -> User:
    return load()


async def decorated() -> None:
    assert_type(user(7), User)
    assert_type(user(user_id=7, full=True), User)
    assert_type(await user_later(7), User)
    assert_type(user.key(7), str)
    assert_type(user.cache, MultiLevelCache[str, User])
    call: Callable[[int], User] = user
    later: Callable[[int], Coroutine[Any, Any, User]] = user_later
    kept: Cached[..., User] = user
    kept_later: AsyncCached[..., User] = user_later
    user.invalidate(7)
    await user_later.invalidate(7)
    print(call, later, kept, kept_later)

    user("7")  # type: ignore[arg-type]
    user.invalidate("7")  # type: ignore[arg-type]
    await user_later("7")  # type: ignore[arg-type]


def aside() -> None:
    read = CacheAside(users, lambda key: User(key))
    assert_type(read, CacheAside[str, User])
    assert_type(read.get("u1"), User)
    read.get(1)  # type: ignore[arg-type]
    read.writing("u1", "u2", tags=["users"], seconds=5)
    read.writing(1)  # type: ignore[arg-type]
    CacheAside(users, lambda key: len(key))  # type: ignore[arg-type, return-value]


def made() -> None:
    prices = MultiLevelCache(float)
    assert_type(prices, MultiLevelCache[str, float])
    assert_type(MultiLevelCache(str, key=int, name="users").get(1), str | None)
    names: MultiLevelCache[int, str | None] = MultiLevelCache(str | None, key=int)
    print(names)

    prices.set(1, 1.0)  # type: ignore[arg-type]
    MultiLevelCache(float, ttl=5)  # type: ignore[call-overload]


class Shop:
    @cached(60, key="{number}")
    def article(self, number: int) -> str:
        return ""

    @cached(60, key="{number}")
    async def stock(self, number: int) -> int:
        return 0


async def methods(shop: Shop) -> None:
    assert_type(shop.article(1), str)
    assert_type(await shop.stock(1), int)
    shop.article.invalidate(1)
    await shop.stock.invalidate(number=1)
    shop.article("1")  # type: ignore[arg-type]
