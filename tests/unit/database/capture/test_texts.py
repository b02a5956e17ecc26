"""Of a statement executed with many literals a bounded sample is kept."""

from __future__ import annotations

from perfloop.database import capture_sql
from perfloop.database.capture.texts import TextSample
from perfloop.database.capture.workload import WorkloadBuilder, redacted


def test_the_commonest_texts_come_first_and_one_alone_is_none() -> None:
    sample = TextSample("name")
    sample.add("x = 1", 3)
    assert sample.texts() == []
    sample.add("x = 2", 500)
    sample.add("x = 1")
    assert [(each.sql, each.calls) for each in sample.texts()] == [("x = 2", 500), ("x = 1", 4)]


def test_few_are_kept_of_many_from_early_and_late_the_same_each_time() -> None:
    def kept() -> list[str]:
        sample = TextSample("name")
        for number in range(1000):
            sample.add(f"x = {number}")
        return [each.sql for each in sample.texts()]

    numbers = [int(text.split()[-1]) for text in kept()]
    assert len(numbers) == 10
    assert max(numbers) > 500
    assert kept() == kept()


def test_a_file_and_a_log_keep_them_and_what_is_redacted_does_not() -> None:
    statements = ["SELECT id FROM job WHERE state = 'open'", "SELECT id FROM job WHERE state = 'done'"]
    [captured] = capture_sql(";\n".join(statements), "postgresql").statements
    assert {each.sql for each in captured.texts} == set(statements)
    for values in (True, False):
        builder = WorkloadBuilder(values=values)
        for each in statements:
            builder.add(each, calls=2)
        record = builder.record("postgresql", "log")
        assert {each.sql for each in record.statements[0].texts} == (set(statements) if values else set())
        assert redacted(record).statements[0].texts == []
