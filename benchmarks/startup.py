"""Area `startup`: what it costs to ask perfloop for help, or to import it.

Wall time of a whole process, each beside `python -c pass` in the same round, rounds interleaved, the median of the
rounds. The scripts' byte code is compiled before the first round.

- `help_vs_bare`: `perfloop --help` ÷ `python -c pass`;
- `import_vs_bare`: `python -c "import perfloop"` ÷ `python -c pass`.
"""

from __future__ import annotations

import importlib.util
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["run"]

_ROUNDS = 25
_PEER_ROUNDS = 5


def run(full: bool) -> dict[str, Any]:
    """Measure both figures, and the help of other command lines for comparison.

    Args:
        full: four times the rounds.
    """
    rounds = _ROUNDS * (4 if full else 1)
    bare = [sys.executable, "-c", "pass"]
    ours = {
        "bare": bare,
        "help": [_script("perfloop"), "--help"],
        "command_help": [_script("perfloop"), "load", "--help"],
        "import": [sys.executable, "-c", "import perfloop"],
    }
    times = _interleaved(ours, rounds)
    figures = {f"{name}_ms": statistics.median(values) * 1000 for name, values in times.items()}
    figures["help_vs_bare"] = _ratio(times, "help")
    figures["command_help_vs_bare"] = _ratio(times, "command_help")
    figures["import_vs_bare"] = _ratio(times, "import")
    figures["rounds"] = rounds
    return {"figures": figures, "peers": _peers(bare)}


def _peers(bare: list[str]) -> dict[str, float]:
    """`--help` of other Python command lines that are installed, against the same bare interpreter."""
    commands = {
        name: [sys.executable, "-m", name, "--help"]
        for name in ("locust", "uvicorn", "pytest")
        if importlib.util.find_spec(name) is not None
    }
    times = _interleaved({"bare": bare, **commands}, _PEER_ROUNDS)
    return {f"{name}_help_vs_bare": _ratio(times, name) for name in commands}


def _interleaved(commands: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(-1, rounds):  # the round before the first warms caches
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if number >= 0:
                times[name].append(time.perf_counter() - start)
    return times


def _ratio(times: dict[str, list[float]], name: str) -> float:
    """The median over rounds of this command's time ÷ the bare interpreter's in the same round."""
    return statistics.median(ours / bare for ours, bare in zip(times[name], times["bare"], strict=True))


def _script(name: str) -> str:
    script = Path(sys.executable).with_name(name)
    if not script.exists():
        raise RuntimeError(f"{script} is missing: install perfloop into this environment")
    return str(script)
