"""The control group this process is in: what it may use, what it used, how often it was held back. Versions 1 and 2.

Sources: the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/, and scheduler/sched-bwc.rst.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Cgroup", "CgroupCpu", "CgroupMemory"]

_UNLIMITED = 1 << 60
"""Version 1 writes no limit as a huge one."""


class CgroupCpu(NamedTuple):
    """Processors' time of the group. None: not told."""

    limit: float | None
    """Processors it may use; None for as many as there are."""
    used_seconds: float | None
    throttled_seconds: float | None
    """Time its threads were held back because the quota was used up."""
    periods: int | None
    throttled_periods: int | None


class CgroupMemory(NamedTuple):
    """Memory of the group. None: not told."""

    limit: int | None
    """Bytes; None for as many as there are."""
    used: int | None
    """Bytes in use, without files that could be dropped at once."""
    oom_kills: int | None
    """How often the kernel killed one of its processes for memory."""


class Cgroup:
    """Where the files of this process' groups are.

    Args:
        root: of the file system.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        mount = root / "sys/fs/cgroup"
        self._unified: list[Path] = []
        self._cpu: list[Path] = []
        self._memory: list[Path] = []
        for line in _text(root / "proc/self/cgroup").splitlines():
            number, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            names = controllers.split(",")
            if number == "0" and not controllers and (mount / "cgroup.controllers").exists():
                self._unified = list(_upwards(mount, path))
            for name, directories in (("cpu", self._cpu), ("memory", self._memory)):
                if name in names:
                    directories += _upwards(mount / name, path)

    def cpu(self) -> CgroupCpu:
        """The time it used; the tightest limit of the group and those it is in."""
        if self._unified:
            stat = _numbers(self._unified[0] / "cpu.stat")
            return CgroupCpu(
                limit=_least(_quota(*_text(each / "cpu.max").split()) for each in self._unified),
                used_seconds=_scaled(stat.get("usage_usec"), 1e-6),
                throttled_seconds=_scaled(stat.get("throttled_usec"), 1e-6),
                periods=stat.get("nr_periods"),
                throttled_periods=stat.get("nr_throttled"),
            )
        stat = _numbers(self._cpu[0] / "cpu.stat") if self._cpu else {}
        return CgroupCpu(
            limit=_least(
                _quota(_text(each / "cpu.cfs_quota_us"), _text(each / "cpu.cfs_period_us")) for each in self._cpu
            ),
            used_seconds=_scaled(_number(self._cpu[0] / "cpuacct.usage"), 1e-9) if self._cpu else None,
            throttled_seconds=_scaled(stat.get("throttled_time"), 1e-9),
            periods=stat.get("nr_periods"),
            throttled_periods=stat.get("nr_throttled"),
        )

    def memory(self) -> CgroupMemory:
        """The memory it uses; the tightest limit of the group and those it is in."""
        if self._unified:
            here, names = self._unified, ("memory.max", "memory.current", "inactive_file", "memory.events")
        elif self._memory:
            here = self._memory
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "memory.oom_control")
        else:
            return CgroupMemory(None, None, None)
        limit_file, used_file, inactive, kills_file = names
        used = _number(here[0] / used_file)
        droppable = _numbers(here[0] / "memory.stat").get(inactive, 0)
        limit = _least(_number(each / limit_file) for each in here)
        return CgroupMemory(
            limit=None if limit is None or limit >= _UNLIMITED else int(limit),
            used=None if used is None else max(used - droppable, 0),
            oom_kills=_numbers(here[0] / kills_file).get("oom_kill"),
        )

    def stalled_seconds(self, resource: str) -> float | None:
        """Time that some of the group's threads waited for `cpu`, `memory` or `io`: pressure stall information.

        Of the whole machine where the group does not tell.
        """
        places = [self._unified[0] / f"{resource}.pressure"] if self._unified else []
        for place in (*places, Path("/proc/pressure") / resource):
            for line in _text(place).splitlines():
                kind, _, rest = line.partition(" ")
                if kind == "some":
                    return _scaled(_integer(rest.rpartition("total=")[2]), 1e-6)
        return None


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    """The directory of a group, then those it is in. In a container the path may be the host's: then the mount."""
    directory = mount / path.strip("/")
    while directory != mount:
        if directory.is_dir():
            yield directory
        directory = directory.parent
    yield mount


def _quota(quota: str = "", period: str = "", *_: str) -> float | None:
    allowed, of = _integer(quota), _integer(period)
    return allowed / of if allowed and of and allowed > 0 else None


def _least(values: Iterator[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _scaled(number: int | None, unit: float) -> float | None:
    return None if number is None else number * unit


def _numbers(file: Path) -> dict[str, int]:
    """The lines `name 123` of a file."""
    found = {}
    for line in _text(file).splitlines():
        name, _, text = line.partition(" ")
        number = _integer(text)
        if number is not None:
            found[name] = number
    return found


def _number(file: Path) -> int | None:
    return _integer(_text(file))


def _integer(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
