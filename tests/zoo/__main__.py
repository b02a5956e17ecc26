"""`python -m tests.zoo [NAME …]`: diagnose every service of the zoo and print a scorecard."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from perfloop.exceptions import PerfloopError

from .catalogue import EXHIBITS
from .keeper import Verdict, examine


def main() -> int:
    """Exit status 0 when every diagnosis was right."""
    parser = argparse.ArgumentParser(prog="python -m tests.zoo", description=__doc__)
    parser.add_argument("names", nargs="*", help="services, or beginnings of their names; all by default")
    parser.add_argument("--duration", type=float, default=4.0, help="seconds of each judged run")
    arguments = parser.parse_args()
    chosen = [each for each in EXHIBITS if not arguments.names or each.name.startswith(tuple(arguments.names))]
    verdicts: list[Verdict] = []
    failures = 0
    width = max((len(each.name) for each in chosen), default=0)
    for exhibit in chosen:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="perfloop-zoo-") as directory:
            try:
                verdict = examine(exhibit, Path(directory), duration=arguments.duration)
            except PerfloopError as error:
                failures += 1
                print(f"✗ {exhibit.name:<{width}}  {error}\n{error.output or ''}", flush=True)
                continue
        verdicts.append(verdict)
        found = ", ".join(finding.rule for finding in verdict.record.findings) or "nothing"
        trust = "" if verdict.record.summary.trustworthy else "  (untrustworthy)"
        took = time.monotonic() - began
        p99 = verdict.record.summary.latency_ms.p99
        mark = "✓" if verdict.correct else "✗"
        print(f"{mark} {exhibit.name:<{width}}  {found}  p99 {p99:.1f} ms  {took:.0f} s{trust}", flush=True)
        for mistake in verdict.mistakes:
            print(f"    {mistake}", flush=True)
    planted = [each for each in verdicts if each.exhibit.rule is not None]
    hit = sum(any(finding.rule == each.exhibit.rule for finding in each.record.findings) for each in planted)
    named = [(each, finding) for each in verdicts for finding in each.record.findings]
    right = sum(finding.rule in (each.exhibit.rule, *each.exhibit.also) for each, finding in named)
    healthy = [each for each in verdicts if each.exhibit.rule is None]
    quiet = sum(not each.record.findings for each in healthy)
    print(
        f"\nplanted found {hit} of {len(planted)} · findings right {right} of {len(named)} · "
        f"healthy without findings {quiet} of {len(healthy)} · "
        f"all as it should be {sum(each.correct for each in verdicts)} of {len(chosen)}"
    )
    return int(failures > 0 or not all(each.correct for each in verdicts))


if __name__ == "__main__":
    sys.exit(main())
