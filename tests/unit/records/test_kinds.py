from __future__ import annotations

from perfloop.records import current_environment


def test_the_environment_is_this_one() -> None:
    environment = current_environment()
    assert environment.python.count(".") == 2
    assert environment.cpu_count >= 1
    assert environment.memory_bytes is None or environment.memory_bytes > 2**20
