"""What the service's process and its machine have left: processors, memory, disks, network, descriptors, event loop."""

from __future__ import annotations

from .sampler import KINDS, Kind, ResourceMonitor
from .use import Use

__all__ = ["KINDS", "Kind", "ResourceMonitor", "Use"]
