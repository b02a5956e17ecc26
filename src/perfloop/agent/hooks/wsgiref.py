"""The standard library's WSGI server, which Django's runserver builds on: any WSGI application."""

from __future__ import annotations

from typing import Any

from ..wsgi import wrap_application

__all__ = ["apply"]


def apply(module: Any) -> None:
    """Wrap the application a handler runs."""
    run = module.BaseHandler.run

    def traced_run(self: Any, application: Any) -> Any:
        return run(self, wrap_application(application))

    module.BaseHandler.run = traced_run
