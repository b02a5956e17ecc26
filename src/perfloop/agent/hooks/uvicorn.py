"""uvicorn: any ASGI application it serves, also one without a framework."""

from __future__ import annotations

from typing import Any

from ..asgi import wrap_application

__all__ = ["apply"]


def apply(module: Any) -> None:
    """Wrap the application once the configuration has loaded it."""
    load = module.Config.load

    def traced_load(self: Any) -> Any:
        result = load(self)
        application = getattr(self, "loaded_app", None)
        if application is not None and not hasattr(application, "_perfloop"):
            traced = wrap_application(application)
            traced._perfloop = True
            self.loaded_app = traced
        return result

    module.Config.load = traced_load
