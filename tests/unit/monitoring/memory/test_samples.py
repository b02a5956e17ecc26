from __future__ import annotations

import ctypes
import sys
import threading
import time

import psutil
import pytest

from perfloop.monitoring.memory import read_sample, samples
from perfloop.monitoring.memory.samples import malloc_figures, proportional_bytes, resident_bytes


def test_resident_memory_is_what_psutil_says() -> None:
    assert resident_bytes() == pytest.approx(psutil.Process().memory_info().rss, rel=0.05)


def test_a_sample_holds_what_it_is_asked_for() -> None:
    sample = read_sample(12.5, requests=lambda: 7, in_flight=lambda: 2)
    assert (sample.at, sample.requests, sample.in_flight, sample.pss) == (12.5, 7.0, 2.0, None)
    assert sample.blocks == pytest.approx(sys.getallocatedblocks(), rel=0.2)
    assert read_sample(0.0).requests is None


def test_processor_time_is_that_of_other_threads() -> None:
    def work() -> None:
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass

    before = read_sample(0.0).cpu_seconds
    work()
    between = read_sample(0.0).cpu_seconds
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert read_sample(0.0).cpu_seconds - between >= 0.02
    assert between - before < 0.02


def test_pss_is_at_most_rss() -> None:
    pss = proportional_bytes()
    assert pss is not None
    assert 0 < pss <= resident_bytes() * 1.05
    assert read_sample(0.0, pss=True).pss is not None


def test_memory_from_the_c_library_is_seen_and_its_end_too() -> None:
    before = malloc_figures()
    assert before is not None
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    chunks = [libc.malloc(4_000) for _ in range(1_000)]
    during = malloc_figures()
    for chunk in chunks:
        libc.free(chunk)
    after = malloc_figures()
    assert during is not None
    assert after is not None
    assert during.in_use - before.in_use >= 3_900_000
    assert after.in_use - before.in_use <= 1_000_000


def test_a_preloaded_allocator_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With jemalloc, glibc's malloc is asked for nothing and says so."""
    monkeypatch.setattr(samples, "_mallinfo2", lambda: samples._Mallinfo2)
    assert malloc_figures() is None


def test_a_c_library_without_mallinfo2_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "_mallinfo2", lambda: None)
    assert malloc_figures() is None
    sample = read_sample(0.0)
    assert (sample.malloc_in_use, sample.malloc_free) == (None, None)
