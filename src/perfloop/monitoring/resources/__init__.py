"""What the service's process and its machine have left: processors, memory, disks, network, descriptors, event loop."""

from __future__ import annotations

from .sampler import KINDS, Kind, ResourceMonitor, ResourceSampler, machine_kinds
from .use import Use

__all__ = ["KINDS", "Kind", "ResourceMonitor", "ResourceSampler", "Use", "machine_kinds"]
