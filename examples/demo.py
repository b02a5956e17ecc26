"""`python -m examples.demo`: the whole loop on the shop, with the commands you would type yourself.

Diagnoses the shop, applies the fix for what was found, measures the gain, and diagnoses the fixed shop.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from perfloop.exceptions import PerfloopError
from perfloop.records import AnyRecord, ComparisonRecord, DiagnosisRecord, Finding, MetricComparison, load_record

__all__ = ["main"]

ROOT = Path(__file__).parents[1]
RULE = "n-plus-one"
FIX = "n_plus_one"
REQUEST = "GET /orders?page=1"
UNTRUSTWORTHY = 3
ATTEMPTS = 3
PAUSE_SECONDS = 3.0
# Port 0 lets the system choose a free port; perfloop finds out which.
SERVER = ("uvicorn", "examples.shop:app", "--port", "0", "--no-access-log")


class DemoFailed(Exception):
    """A step did not do what the demo shows."""


@dataclass
class Demo:
    """Runs the steps; every file goes to `out`. The quick one measures for shorter times."""

    out: Path
    quick: bool = False
    started: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """All steps.

        Raises:
            DemoFailed: a command failed, or did not find or prove what it should have.
        """
        self.say(
            f"examples/shop is a web shop (FastAPI, SQLAlchemy, SQLite) with 50,000 orders, kept in {self.file('')}",
            "Listing its orders is slow. Why? perfloop starts it unmodified, loads it, and looks inside:",
        )
        before = self.diagnose("before")
        finding = planted(before)
        if finding is None:
            found = ", ".join(each.rule for each in before.findings) or "none"
            raise DemoFailed(f"expected an {RULE} finding for {REQUEST}; the findings are: {found}")

        self.say("The shop has the fix for it behind a switch, SHOP_FIX. Does it help? Both, in turn, several times:")
        comparison = self.compare()
        if comparison.verdict != "faster":
            raise DemoFailed(f"expected the fixed shop to be faster; perfloop compare says: {comparison.verdict}")

        self.say("And what does a diagnosis of the fixed shop say?")
        after = self.diagnose("after", *([] if self.quick else ["--duration", "5s"]), fix=FIX)
        if planted(after) is not None:
            raise DemoFailed(f"the fixed shop still has an {RULE} finding")
        self.summarise(before, finding, comparison, after)

    def diagnose(self, name: str, *options: str, fix: str = "") -> DiagnosisRecord:
        shorter = ["--duration", "3s", "--step-duration", "300ms"] if self.quick else []
        arguments = ["diagnose", "--request", REQUEST, *options, *shorter, *self.files(name), "--", *SERVER]
        record = self.perfloop(arguments, name, SHOP_FIX=fix)
        assert isinstance(record, DiagnosisRecord)
        return record

    def compare(self) -> ComparisonRecord:
        server = shlex.join(SERVER)
        commands = ["--cmd", server, "--cmd", f"SHOP_FIX={FIX} {server}"]
        shorter = ["--duration", "1s", "--step-duration", "300ms"] if self.quick else []
        arguments = ["compare", *commands, "--request", REQUEST, *shorter, *self.files("comparison")]
        record = self.perfloop(arguments, "comparison", SHOP_FIX="")
        assert isinstance(record, ComparisonRecord)
        return record

    def files(self, name: str) -> list[str]:
        return ["--output", self.file(f"{name}.json"), "--html", self.file(f"{name}.html")]

    def file(self, name: str) -> str:
        path = self.out / name
        return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)

    def perfloop(self, arguments: Sequence[str], name: str, **env: str) -> AnyRecord:
        """Print and run one command of perfloop; gives the record it wrote."""
        shown = "".join(f"{key}={value} " for key, value in env.items() if value)
        print(f"\n$ {shown}{shlex.join(['perfloop', *arguments])}", flush=True)
        environment = {
            **os.environ,
            **env,
            "SHOP_DATABASE": str(self.out / "shop.sqlite3"),
            # perfloop and uvicorn of the environment that runs this, whether it is activated or not
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        }
        for kind in ("json", "html"):
            (self.out / f"{name}.{kind}").unlink(missing_ok=True)
        for attempt in range(1, ATTEMPTS + 1):
            status = subprocess.run(["perfloop", *arguments], env=environment, cwd=ROOT).returncode
            if status != UNTRUSTWORTHY or attempt == ATTEMPTS:
                break
            self.say("Something else kept this machine busy, and perfloop does not trust its own figures. Again:")
            time.sleep(PAUSE_SECONDS)
        if status == UNTRUSTWORTHY:
            raise DemoFailed("this machine is too busy with other work to measure anything; please try again later")
        if status:
            raise DemoFailed(f"perfloop {arguments[0]} ended with exit status {status}, its message is above")
        if not (self.out / f"{name}.html").exists():
            raise DemoFailed(f"perfloop {arguments[0]} wrote no report, {self.file(f'{name}.html')}")
        return load_record(self.out / f"{name}.json")

    def summarise(
        self, before: DiagnosisRecord, finding: Finding, comparison: ComparisonRecord, after: DiagnosisRecord
    ) -> None:
        place = f"{finding.place.file}:{finding.place.line}"
        self.say("In short")
        rows = [
            ("found", f"{finding.title}, {place} in {finding.place.function}"),
            ("statement", str(finding.measures["statement"])),
            ("issued", f"{finding.measures['statements_per_request']:.0f} times a request"),
            ("fixed by", finding.fix),
            *self.gains(before, finding, comparison, after),
            ("fixed shop", f"no {RULE} any more"),
            ("reports", "  ".join(self.file(f"{name}.html") for name in ("before", "comparison", "after"))),
            ("took", f"{time.monotonic() - self.started:.0f} s"),
        ]
        for label, text in rows:
            print(f"  {label:<12}{text}")

    def gains(
        self, before: DiagnosisRecord, finding: Finding, comparison: ComparisonRecord, after: DiagnosisRecord
    ) -> list[tuple[str, str]]:
        """Predicted next to measured: latency under half of what the faulty shop can do, capacity by the load curve."""
        latency, predicted = before.summary.latency_ms, finding.predicted
        p50, p99 = metric(comparison, "latency p50"), metric(comparison, "latency p99")
        rows = [("", f"{'predicted':<34}measured")]
        for label, unit, now, (low, estimate, high), (a, b) in (
            ("p50", "ms", latency.p50, predicted.p50_ms, (p50.a, p50.b)),
            ("p99", "ms", latency.p99, predicted.p99_ms, (p99.a, p99.b)),
            (
                "capacity",
                "req/s",
                before.capacity_rps,
                predicted.capacity_rps,
                (before.capacity_rps, after.capacity_rps),
            ),
        ):
            change = f"{now:.3g} → {estimate:.3g} {unit} ({low:.3g}–{high:.3g})"
            rows.append((label, f"{change:<34}{a:.3g} → {b:.3g} {unit}"))
        return rows

    def say(self, *lines: str) -> None:
        print()
        for line in lines:
            print(f"── {line}")
        sys.stdout.flush()


def planted(record: DiagnosisRecord) -> Finding | None:
    """The finding for the N+1 that is planted in orders.py."""
    for finding in record.findings:
        if finding.rule == RULE and Path(finding.place.file).name == "orders.py":
            return finding
    return None


def metric(comparison: ComparisonRecord, name: str) -> MetricComparison:
    for each in comparison.metrics:
        if each.metric == name:
            return each
    raise DemoFailed(f"no {name} among the compared metrics: {[each.metric for each in comparison.metrics]}")


def main() -> int:
    """Run the demo; the exit status is 0 when every step did what it shows."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "demo", help="directory for the data and reports")
    parser.add_argument("--quick", action="store_true", help="measure for shorter times; the figures are rougher")
    chosen = parser.parse_args()
    out = chosen.out.absolute()
    try:
        out.mkdir(parents=True, exist_ok=True)
        Demo(out, chosen.quick).run()
    except (DemoFailed, PerfloopError, OSError) as error:
        print(f"\ndemo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
