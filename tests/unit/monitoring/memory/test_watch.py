from __future__ import annotations

from msgspec.structs import replace

from perfloop.monitoring import LeakEvidence, LeakOptions, MemorySample
from perfloop.monitoring.memory.allocations import AllocatingLine
from perfloop.monitoring.memory.watch import LeakWatch

from .series import series

OPTIONS = LeakOptions(capacity=40, confirmations=3, looks=2)
FOUND = LeakEvidence(lines=(AllocatingLine(file="shop.py", line=3, bytes_each=200, blocks_each=2),), traced_each=200)
NOTHING = LeakEvidence()
FILLING = LeakEvidence(filling="shop.cache fills: 50 of at most 100 entries")


def leaking(samples: int) -> list[MemorySample]:
    return series(samples, rss=lambda at: 2e5 * at, blocks=lambda at: 2e3 * at)


def steps(watch: LeakWatch, samples: list[MemorySample]) -> list[str]:
    return [watch.add(sample) for sample in samples]


def until_the_look(watch: LeakWatch, *, after: float = 0) -> list[MemorySample]:
    """Feeds it a leak until it wants to investigate; gives the samples left."""
    samples = [replace(sample, at=sample.at + after) for sample in leaking(80)]
    while samples and watch.add(samples.pop(0)) != "investigate":
        pass
    return samples


def test_a_leak_is_counted_then_investigated_then_reported_once() -> None:
    watch = LeakWatch(OPTIONS)
    assert steps(watch, leaking(34)) == ["wait"] * 31 + ["count", "wait", "investigate"]
    assert not watch.report()
    watch.learned(FOUND)
    assert watch.report()
    assert not watch.report()
    assert watch.verdict.kind == "python leak"


def test_a_leak_that_is_understood_is_not_looked_at_again() -> None:
    watch = LeakWatch(OPTIONS)
    rest = until_the_look(watch)
    watch.learned(FOUND)
    assert set(steps(watch, rest)) == {"wait"}


def test_native_memory_that_python_has_no_part_in_is_not_looked_at_again() -> None:
    watch = LeakWatch(OPTIONS)
    samples = series(80, rss=lambda at: 2e5 * at, malloc=lambda at: 2e5 * at)
    while watch.add(samples.pop(0)) != "investigate":
        pass
    watch.learned(LeakEvidence(traced_each=0.5))
    assert watch.verdict.kind == "native leak"
    assert watch.report()
    assert set(steps(watch, samples)) == {"wait"}


def test_a_look_that_found_nothing_is_repeated_later_and_not_for_ever() -> None:
    watch = LeakWatch(LeakOptions(capacity=40, confirmations=1, looks=2))
    looks = []
    for at, sample in enumerate(leaking(80)):
        if watch.add(sample) == "investigate":
            looks.append(at)
            watch.learned(NOTHING)
    assert looks == [31, 41]


def test_a_steady_service_is_left_alone() -> None:
    watch = LeakWatch(OPTIONS)
    assert set(steps(watch, series(80))) == {"wait"}
    assert not watch.report()


def test_a_suspicion_that_passes_is_not_reported() -> None:
    watch = LeakWatch(LeakOptions(capacity=36, confirmations=8))
    still = leaking(34)[-1]
    later = [
        MemorySample(
            at=still.at + 30 * at,
            rss=still.rss,
            blocks=still.blocks,
            malloc_in_use=still.malloc_in_use,
            requests=1000.0 * (34 + at),
        )
        for at in range(1, 40)
    ]
    assert "investigate" not in steps(watch, leaking(34) + later)
    assert not watch.report()


def test_a_cache_with_room_left_is_no_leak() -> None:
    watch = LeakWatch(OPTIONS)
    rest = until_the_look(watch)
    watch.learned(FILLING)
    assert (watch.verdict.kind, watch.verdict.reason) == ("cache fill", FILLING.filling)
    assert not watch.report()
    # It is looked at again, as often as it takes: the cache may be full by then.
    assert "investigate" in steps(watch, rest)
    watch.learned(FOUND)
    assert watch.report()


def test_a_leak_after_the_last_one_had_ended_is_reported_anew() -> None:
    watch = LeakWatch(OPTIONS)
    until_the_look(watch)
    watch.learned(FOUND)
    assert watch.report()
    steps(watch, [replace(sample, at=sample.at + 10_000) for sample in series(60)])
    assert watch.evidence is None
    until_the_look(watch, after=20_000)
    watch.learned(FOUND)
    assert watch.report()


def test_without_looks_a_leak_is_reported_by_its_course_alone() -> None:
    watch = LeakWatch(LeakOptions(capacity=40, looks=0))
    assert "investigate" not in steps(watch, leaking(40))
    assert watch.report()


def test_only_the_last_samples_are_kept() -> None:
    watch = LeakWatch(OPTIONS)
    samples = series(60)
    steps(watch, samples)
    assert watch.samples == tuple(samples[-40:])
