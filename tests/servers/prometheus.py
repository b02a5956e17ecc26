"""A private Prometheus that scrapes one address several times a second, with native histograms."""

from __future__ import annotations

import contextlib
import json
import tempfile
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .processes import Server, free_port, require, run_server

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Prometheus", "run_prometheus"]


@dataclass(frozen=True)
class Prometheus:
    """Where it answers."""

    port: int

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The instant vector that a PromQL expression gives."""
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/query?{query}", timeout=10) as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return result


@contextlib.contextmanager
def run_prometheus(target: str) -> Iterator[Prometheus]:
    """Start a Prometheus that scrapes `target` (`127.0.0.1:9100`) at /metrics, and stop it at the end."""
    program = require("prometheus", package="prometheus")
    prometheus = Prometheus(free_port())
    with tempfile.TemporaryDirectory(prefix="perfloop-prometheus-") as directory:
        configuration = Path(directory) / "prometheus.yml"
        configuration.write_text(
            "scrape_configs:\n- job_name: test\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\n"
            f"  static_configs: [{{targets: ['{target}']}}]\n"
        )
        command = [
            program,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={directory}/data",
            f"--web.listen-address=127.0.0.1:{prometheus.port}",
            "--enable-feature=native-histograms",
        ]

        def ready(_: Server) -> bool:
            return prometheus.query("vector(1)") != []

        with run_server(command, ready=ready, cwd=Path(directory)):
            yield prometheus
