from __future__ import annotations

from perfloop.records import RecordingFidelity
from perfloop.reporting import render_html, render_markdown
from perfloop.reporting.fidelity import fidelity_in_words

from .sample_loads import imported_load


def test_a_replay_says_what_was_sent_and_how_far_off_it_was() -> None:
    fidelity = imported_load().fidelity
    assert fidelity is not None
    sent, errors, skipped, note = fidelity_in_words(fidelity)
    assert sent == "6,100 requests in the access log, 6,000 sent, as they came, at 2× their speed"
    assert errors == "mix of endpoints off by 1.2 % · times off by 420 µs (p99)"
    assert skipped.startswith("not sent: 1.6 % of them: 90 × no HTTP request; 10 × bad")
    assert "whole seconds" in note


def test_without_times_only_the_mix_counts() -> None:
    fidelity = RecordingFidelity(format="curl", recorded=2, sent=0, mix_distance=None)
    assert fidelity_in_words(fidelity) == ["2 requests in the curl commands, 0 sent"]


def test_every_report_says_it() -> None:
    for text in (render_html(imported_load()), render_markdown(imported_load())):
        assert "6,000 sent" in text
