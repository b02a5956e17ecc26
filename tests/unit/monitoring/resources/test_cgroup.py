from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from perfloop.monitoring.resources.cgroup import Cgroup, CgroupCpu, CgroupMemory

if TYPE_CHECKING:
    from pathlib import Path


def write(root: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


V2 = {
    "proc/self/cgroup": "0::/app.slice/shop\n",
    "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
    "sys/fs/cgroup/app.slice/cpu.max": "150000 100000\n",
    "sys/fs/cgroup/app.slice/memory.max": "max\n",
    "sys/fs/cgroup/app.slice/shop/cpu.max": "max 100000\n",
    "sys/fs/cgroup/app.slice/shop/cpu.stat": "usage_usec 2500000\nnr_periods 40\nnr_throttled 4\n"
    "throttled_usec 500000\n",
    "sys/fs/cgroup/app.slice/shop/memory.max": "1000\n",
    "sys/fs/cgroup/app.slice/shop/memory.current": "700\n",
    "sys/fs/cgroup/app.slice/shop/memory.stat": "anon 500\ninactive_file 150\n",
    "sys/fs/cgroup/app.slice/shop/memory.events": "oom 3\noom_kill 2\n",
    "sys/fs/cgroup/app.slice/shop/cpu.pressure": "some avg10=1.50 avg60=0.00 total=3000000\nfull total=9\n",
}
V1 = {
    "proc/self/cgroup": "9:name=systemd:/\n4:memory:/shop\n1:cpu,cpuacct:/shop\n0::/\n",
    "sys/fs/cgroup/cpu/shop/cpu.cfs_quota_us": "50000\n",
    "sys/fs/cgroup/cpu/shop/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
    "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/cpu/shop/cpu.stat": "nr_periods 40\nnr_throttled 4\nthrottled_time 500000000\n",
    "sys/fs/cgroup/cpu/shop/cpuacct.usage": "2500000000\n",
    "sys/fs/cgroup/memory/shop/memory.limit_in_bytes": "1000\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    "sys/fs/cgroup/memory/shop/memory.usage_in_bytes": "700\n",
    "sys/fs/cgroup/memory/shop/memory.stat": "cache 9\ntotal_inactive_file 150\n",
    "sys/fs/cgroup/memory/shop/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
}


@pytest.mark.parametrize(("texts", "limit"), [(V2, 1.5), (V1, 0.5)], ids=["version 2", "version 1"])
def test_what_a_group_may_use_and_used(tmp_path: Path, texts: dict[str, str], limit: float) -> None:
    cgroup = Cgroup(write(tmp_path, texts))
    assert cgroup.cpu() == CgroupCpu(limit, pytest.approx(2.5), pytest.approx(0.5), 40, 4)
    assert cgroup.memory() == CgroupMemory(1000, 550, 2)


def test_pressure_is_that_of_the_group(tmp_path: Path) -> None:
    assert Cgroup(write(tmp_path, V2)).stalled_seconds("cpu") == 3.0


def test_the_tightest_limit_of_all_groups_around_counts(tmp_path: Path) -> None:
    texts = {
        **V2,
        "sys/fs/cgroup/app.slice/memory.max": "400\n",
        "sys/fs/cgroup/app.slice/shop/cpu.max": "20000 100000",
    }
    cgroup = Cgroup(write(tmp_path, texts))
    assert cgroup.memory().limit == 400
    assert cgroup.cpu().limit == 0.2


def test_a_huge_limit_is_none(tmp_path: Path) -> None:
    name = "sys/fs/cgroup/memory/shop/memory.limit_in_bytes"
    cgroup = Cgroup(write(tmp_path, {**V1, name: "9223372036854771712\n"}))
    assert cgroup.memory().limit is None


def test_in_a_container_whose_path_is_the_hosts_the_mount_counts(tmp_path: Path) -> None:
    texts = {
        "proc/self/cgroup": "0::/kubepods/pod/container\n",
        "sys/fs/cgroup/cgroup.controllers": "cpu\n",
        "sys/fs/cgroup/cpu.max": "200000 100000\n",
        "sys/fs/cgroup/memory.max": "500\n",
        "sys/fs/cgroup/memory.current": "100\n",
    }
    cgroup = Cgroup(write(tmp_path, texts))
    assert (cgroup.cpu().limit, cgroup.memory()) == (2.0, CgroupMemory(500, 100, None))


@pytest.mark.parametrize("line", ["", "0::/../..\n", "nonsense", "4:memory:/\n1:cpu:/\n"])
def test_without_groups_nothing_is_told(tmp_path: Path, line: str) -> None:
    cgroup = Cgroup(write(tmp_path, {"proc/self/cgroup": line}))
    assert cgroup.cpu() == CgroupCpu(None, None, None, None, None)
    assert cgroup.memory() == CgroupMemory(None, None, None)


def test_odd_numbers_are_none(tmp_path: Path) -> None:
    texts = {**V2, "sys/fs/cgroup/app.slice/shop/memory.current": "many", "sys/fs/cgroup/app.slice/cpu.max": "0 0"}
    cgroup = Cgroup(write(tmp_path, texts))
    assert (cgroup.memory().used, cgroup.cpu().limit) == (None, None)
