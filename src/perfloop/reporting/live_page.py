"""The page that shows a load test while it runs: what is on it comes later, from the server it came from."""

from __future__ import annotations

from .assets import live_page, script, style

__all__ = ["render_live_page"]

_TILES = (
    ("rate", "Throughput"),
    ("p50", "Typical request (p50)"),
    ("p99", "Slow request (p99)"),
    ("errors", "Errors"),
    ("in-flight", "In flight"),
    ("waiting", "Waiting for a connection"),
)
_CHARTS = (
    ("rate", "Throughput"),
    ("latency", "Latency"),
    ("errors", "Errors"),
    ("waiting", "Backlog"),
)


def render_live_page() -> tuple[str, str]:
    """The page, which holds nothing of the run, and its content security policy.

    The script takes the run's state from `events` beside the page, and writes it as text, never as markup.
    """
    css, js = style("live.css"), script("charts.js", "live.js")
    return live_page("live.html.j2", css, js, tiles=_TILES, charts=_CHARTS)
