"""`perfloop resilience check`: settings of policies that do not go together."""

from __future__ import annotations

import os
import textwrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..exceptions import ConfigurationError
from .command import where
from .help import Example
from .streams import write_stdout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..resilience import Part
    from ..resilience.check import Finding

__all__ = ["EXAMPLES", "resilience_check"]

EXAMPLES = (
    Example("all policies that a module makes", "perfloop resilience check policies"),
    Example("as they are deployed: in eight processes", "perfloop resilience check policies.py --workers 8"),
    Example("every policy as a tree, too", "perfloop resilience check policies --tree"),
    Example("for a program to read", "perfloop resilience check policies --json"),
)
_WIDTH = 80
_NO_POLICY = (
    "no policy among them: those that a function makes, such as one a host, are there only once it is called; "
    "`perfloop.resilience.check_all()` in the running service sees them"
)


def resilience_check(
    context: typer.Context,
    module: Annotated[
        str,
        typer.Argument(
            metavar="MODULE",
            help="What makes the policies when it is imported: shop.policies, looked for from here, or "
            "shop/policies.py.",
        ),
    ],
    workers: Annotated[
        str,
        typer.Option(
            "--workers",
            metavar="N",
            help="How many processes the deployment runs: what each may ask adds up.",
            rich_help_panel="Deployment",
        ),
    ] = "1",
    tree: Annotated[
        bool, typer.Option("--tree", help="Show each policy and its parts as well.", rich_help_panel="Result")
    ] = False,
    json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print policies, pools, limits and findings as JSON on stdout, and nothing else.",
            rich_help_panel="Result",
        ),
    ] = False,
) -> int:
    """Import a module and say which settings of its policies, pools and limits do not go together: retries that
    multiply, that open a breaker by one call or hide failures from it, a bulkhead larger than its pool, timeouts that
    cannot fit inside each other, limits that all processes together go beyond, no jitter, no timeout.

    Exit status 1 with findings. The module is imported as Python imports it, and nothing of it is called; policies that
    it makes later are not seen, nor which of them enter each other unless they say so (calls=). In a running service
    `perfloop.resilience.check_all()` sees both.
    """
    from ..resilience import check_all, live_parts
    from ..resilience.check import known_limits, known_pools
    from . import values
    from .modules import import_module

    number = values.parse_count(workers, where=where(context, "workers"))
    imported = import_module(module, where=where(context, "module"))
    if not live_parts():
        raise ConfigurationError(
            "Expected a module that makes policies when it is imported",
            got=imported.__name__,
            where=where(context, "module"),
            hint="policies made in a function are there only once it is called",
        )
    findings = check_all(workers=number)
    if json:
        write_stdout(_json(module, number, findings) + b"\n")
    else:
        counted = {"part": len(live_parts()), "pool": len(known_pools()), "limit": len(known_limits())}
        write_stdout(_text(module, number, findings, live_parts(), tree, counted).encode())
    return 1 if findings else 0


def _json(module: str, workers: int, findings: Sequence[Finding]) -> bytes:
    import msgspec

    from ..resilience import Policy, live_parts
    from ..resilience.check import known_limits, known_pools

    told: dict[str, Any] = {
        "module": module,
        "workers": workers,
        "findings": findings,
        "policies": [
            {**msgspec.to_builtins(each.describe(), enc_hook=str), "calls": [called.name for called in each.called]}
            for each in live_parts()
            if isinstance(each, Policy)
        ],
        "pools": [{"name": pool.name, "size": pool.size, "made_at": pool.made_at} for pool in known_pools()],
        "limits": [{"name": limit.name, "most": limit.most, "made_at": limit.made_at} for limit in known_limits()],
    }
    return msgspec.json.format(msgspec.json.encode(told, enc_hook=str), indent=2)


def _text(
    module: str, workers: int, findings: Sequence[Finding], parts: Sequence[Part], tree: bool, counted: dict[str, int]
) -> str:
    from ..reporting.figures import visible
    from ..resilience import Policy

    across = f" · {workers} processes" if workers > 1 else ""
    lines = [f"  perfloop resilience check  {visible(module)}{across}", ""]
    for part in parts:
        if tree and isinstance(part, Policy):
            lines += [*(f"  {visible(line)}" for line in str(part.describe()).splitlines()), ""]
    for finding in findings:
        lines += _labelled("FINDING", finding.rule)
        lines += _labelled("what", visible(finding.what))
        lines += _labelled("where", visible(_relative(finding.where)))
        lines += [*_labelled("fix", visible(finding.fix)), ""]
    looked_at = ", ".join(f"{number} {word}{'s' * (number != 1)}" for word, number in counted.items() if number)
    said = f"{len(findings)} finding{'s' * (len(findings) != 1)}" if findings else "no findings"
    lines += [f"  {said} in {looked_at}"]
    if not any(isinstance(part, Policy) for part in parts):
        lines += ["", *_labelled("!", _NO_POLICY)]
    return "\n".join([*lines, ""])


def _labelled(label: str, text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=f"  {label:<9}", subsequent_indent=" " * 11)


def _relative(place: str) -> str:
    """The place, from the working directory where it lies below it."""
    here = os.path.join(os.getcwd(), "")  # noqa: PTH109, PTH118
    return place.removeprefix(here)
