"""`python -m benchmarks AREA … [--json] [--full]`, `--all`, `--list`.

The last line of stdout for each area is one JSON object: `{"area", "figures", "peers", "machine"}`. A table for people
goes to stdout before it, or, with `--json`, to stderr.
"""

from __future__ import annotations

import argparse
import compileall
import importlib
import json
import operator
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import perfloop

from .areas import AREAS, Area
from .machine import describe

_HOLDS = {"<=": operator.le, ">=": operator.ge}


def main(arguments: list[str] | None = None) -> int:
    """Run the areas asked for; 0 when all ran, 1 when one failed to, 2 for wrong use."""
    options = _parser().parse_args(arguments)
    if options.list:
        for area in AREAS:
            print(f"{area.name:10} {area.question}")
        return 0
    names = [area.name for area in AREAS] if options.all else options.area
    if not names:
        _parser().print_usage(sys.stderr)
        return 2
    console = Console(stderr=options.json, highlight=False)
    failed = 0
    for area in (area for area in AREAS if area.name in names):
        try:
            result = _run(area, options.full)
        except Exception as error:
            if not options.all:
                raise
            failed = 1
            Console(stderr=True).print(f"{area.name}: {type(error).__name__}: {error}", style="red")
            continue
        _show(area, result, console)
        print(json.dumps(result, default=float), flush=True)
    return failed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Product figures against peers.")
    parser.add_argument("area", nargs="*", choices=[*(area.name for area in AREAS), []], metavar="AREA")
    parser.add_argument("--all", action="store_true", help="every area")
    parser.add_argument("--full", action="store_true", help="more rounds")
    parser.add_argument("--json", action="store_true", help="nothing but JSON on stdout")
    parser.add_argument("--list", action="store_true", help="name the areas")
    return parser


def _run(area: Area, full: bool) -> dict[str, Any]:
    # As pip leaves the peers: an editable install where no bytecode is written would compile at each start.
    compileall.compile_dir(Path(perfloop.__file__).parent, quiet=1)
    module = importlib.import_module(f"benchmarks.{area.name}")
    machine = describe()
    started = time.monotonic()
    result = module.run(full)
    machine["seconds"] = round(time.monotonic() - started, 1)
    return {"area": area.name, "figures": result["figures"], "peers": result["peers"], "machine": machine}


def _show(area: Area, result: dict[str, Any], console: Console) -> None:
    table = Table(title=f"{area.name}: {area.question}", title_justify="left", show_edge=False)
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("held to")
    for name, value in result["figures"].items():
        limit, verdict = area.limits.get(name), ""
        if limit is not None:
            sign, bound = limit
            verdict = f"{sign} {bound:g} {'✓' if _HOLDS[sign](value, bound) else '✗'}"
        table.add_row(name, _text(value), verdict)
    for name, value in result["peers"].items():
        table.add_row(name, _text(value), "", style="dim")
    console.print(table)
    console.print(", ".join(f"{name} {value}" for name, value in result["machine"].items()), style="dim")


def _text(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    sys.exit(main())
