"""The settings of a circuit breaker as a grid names them: its arguments and those of its windows, side by side."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, Literal

from ...exceptions import ConfigurationError, InvalidValue
from ..circuit_breaker import CircuitBreaker, CountWindow, TimeWindow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...clock import Clock
    from ...records import SettingValue
    from ...telemetry import Registry

__all__ = ["BREAKER_SETTINGS", "MOST_SETTINGS", "Kind", "breaker_grid", "make_breaker"]

Kind = Literal["count", "seconds", "share", "number", "window"]

BREAKER_SETTINGS: dict[str, Kind] = {
    "window": "window",
    "max_failures": "count",
    "size": "count",
    "seconds": "seconds",
    "failure_rate": "share",
    "slow_call_rate": "share",
    "minimum_calls": "count",
    "slow_call_duration": "seconds",
    "reset_timeout": "seconds",
    "probes": "count",
    "probe_timeout": "seconds",
    "recovery_time": "seconds",
    "reset_backoff": "number",
    "max_reset_timeout": "seconds",
}
"""Each setting, and what its values are. `window` is consecutive, count or time; `size` is of the window by count,
`seconds` of that by time, the rates and `minimum_calls` are of both."""
MOST_SETTINGS = 500
_RATES = ("failure_rate", "slow_call_rate", "minimum_calls")
_OF_WINDOWS = {"consecutive": ("max_failures",), "count": ("size", *_RATES), "time": ("seconds", *_RATES)}


def breaker_grid(settings: Mapping[str, Sequence[SettingValue]]) -> list[dict[str, SettingValue]]:
    """Every combination of the values, each once.

    What a combination's window has no use for is left out of it, so that different windows can be compared in one grid.
    Where `window` is not among the settings it is what the others belong to.

    Raises:
        ConfigurationError: an unknown setting, or more than `MOST_SETTINGS` combinations.
        InvalidValue: no such window, settings of two windows and `window` not said, or a value that a breaker does not
            take.
    """
    for name in settings:
        if name not in BREAKER_SETTINGS:
            raise ConfigurationError(
                "Expected a setting of a circuit breaker", got=name, hint=f"there are {', '.join(BREAKER_SETTINGS)}"
            )
    axes = dict(settings)
    if "window" not in axes:
        axes = {"window": [_window_of(settings)], **axes}
    grid: list[dict[str, SettingValue]] = []
    for values in product(*axes.values()):
        chosen = _of_its_window(dict(zip(axes, values, strict=True)))
        if "window" not in settings and chosen["window"] == "consecutive":
            del chosen["window"]
        if chosen not in grid:
            grid.append(chosen)
        if len(grid) > MOST_SETTINGS:
            raise ConfigurationError(f"Expected at most {MOST_SETTINGS} settings together", got="more")
    return grid


def make_breaker(settings: Mapping[str, SettingValue], clock: Clock, registry: Registry) -> CircuitBreaker:
    """A breaker with one combination of `breaker_grid`.

    Raises:
        InvalidValue: a value that it does not take.
    """
    own: dict[str, Any] = dict(settings)
    window = own.pop("window", "consecutive")
    if window != "consecutive":
        limits = {name: own.pop(name) for name in _OF_WINDOWS[str(window)] if name in own}
        own["window"] = CountWindow(**limits) if window == "count" else TimeWindow(**limits)
    return CircuitBreaker(**own, clock=clock, registry=registry)


def _window_of(settings: Mapping[str, Sequence[SettingValue]]) -> str:
    named = [
        window
        for window, own in (("consecutive", ("max_failures",)), ("count", ("size",)), ("time", ("seconds",)))
        if any(name in settings for name in own)
    ]
    if len(named) > 1:
        raise InvalidValue(
            "Expected settings of one window",
            got=", ".join(settings),
            where="window",
            hint=f"to compare windows, say so: window={','.join(named)}",
        )
    rates = any(name in settings for name in _RATES)
    return named[0] if named else "count" if rates else "consecutive"


def _of_its_window(settings: dict[str, SettingValue]) -> dict[str, SettingValue]:
    window = settings["window"]
    if window not in _OF_WINDOWS:
        raise InvalidValue(f"Expected one of {', '.join(_OF_WINDOWS)}", got=window, where="window")
    others = {name for own in _OF_WINDOWS.values() for name in own} - set(_OF_WINDOWS[str(window)])
    return {name: value for name, value in settings.items() if name not in others}
