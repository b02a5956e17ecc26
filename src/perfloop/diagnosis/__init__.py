"""Where a service's time goes, what to change, and what that gains."""

from __future__ import annotations
