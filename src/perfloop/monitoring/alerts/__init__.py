"""Alerts on targets whose error budget burns: to the log, to a webhook, to a function, to the end of the process.

from perfloop.monitoring import ObjectiveMonitor
from perfloop.monitoring.alerts import Alerts, LogChannel, WebhookChannel

alerts = Alerts([LogChannel(), WebhookChannel("https://example.com/hook")])
monitor = ObjectiveMonitor(targets, tell=alerts.update)
"""

from __future__ import annotations

from .alert import Alert, AlertState
from .alerts import Alerts, Channel
from .hook import ExitHook, HookChannel
from .log import LogChannel
from .webhook import Deliveries, WebhookChannel

__all__ = [
    "Alert",
    "AlertState",
    "Alerts",
    "Channel",
    "Deliveries",
    "ExitHook",
    "HookChannel",
    "LogChannel",
    "WebhookChannel",
]
