from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from perfloop.cli.monitor_alerts import MonitorAlerts
from perfloop.exceptions import ConfigurationError, InvalidValue

from ..monitoring.alerts.test_alert import objective

if TYPE_CHECKING:
    from pathlib import Path


def test_an_alert_is_a_line_and_a_line_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "alerts.log"
    log.write_text("before\n")
    with MonitorAlerts(None, str(log), aloud=True) as alerts:
        alerts.update([objective("fast")])
        alerts.update([objective("fast")])
        assert alerts.notes() == []
        before, line = log.read_text().splitlines()  # at once: somebody may read along
    assert before == "before"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} firing: latency_p99 should be at most .*", line)
    captured = capsys.readouterr()
    assert captured.err.startswith("alert    firing: latency_p99 should be")
    assert captured.out == ""


def test_a_terminal_that_is_drawn_on_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with MonitorAlerts(None, None, aloud=False) as alerts:
        alerts.update([objective("fast")])
    assert capsys.readouterr() == ("", "")


def test_a_disk_that_is_full_is_said_and_ends_nothing() -> None:
    with MonitorAlerts(None, "/dev/full", aloud=False) as alerts:
        alerts.update([objective("fast")])
        assert alerts.notes() == ["Alerts are not in their file: No space left on device"]


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path / "missing" / "alerts.log", tmp_path):
        with pytest.raises(ConfigurationError) as caught:
            MonitorAlerts(None, str(path), aloud=False)
        assert caught.value.where == "--alert-log"


def test_a_webhook_that_cannot_be_reached_is_told_without_its_secret(capsys: pytest.CaptureFixture[str]) -> None:
    with MonitorAlerts("http://127.0.0.1:1/s3cret", None, aloud=True) as alerts:
        alerts.update([objective("fast")])
    assert alerts.notes() == ["Alerts that did not reach the webhook: 1"]
    said = capsys.readouterr().err
    assert "alert    an alert did not reach the webhook at 127.0.0.1" in said
    assert "s3cret" not in said


def test_a_webhook_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFLOOP_ALERT_WEBHOOK", "ftp://somewhere/s3cret")
    with pytest.raises(InvalidValue) as caught:
        MonitorAlerts(None, None, aloud=False)
    assert "s3cret" not in str(caught.value)
    monkeypatch.setenv("PERFLOOP_ALERT_WEBHOOK", "")
    MonitorAlerts(None, None, aloud=False)
