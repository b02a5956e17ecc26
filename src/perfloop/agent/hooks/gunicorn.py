"""gunicorn: any WSGI application a worker serves."""

from __future__ import annotations

from typing import Any

from ..wsgi import wrap_application

__all__ = ["apply"]


def apply(module: Any) -> None:
    """Wrap the application once the worker has loaded it."""
    load_wsgi = module.Worker.load_wsgi

    def traced_load(self: Any) -> Any:
        result = load_wsgi(self)
        application = getattr(self, "wsgi", None)
        # uvicorn's worker class serves ASGI through uvicorn's own configuration.
        if application is not None and not type(self).__module__.startswith("uvicorn"):
            self.wsgi = wrap_application(application)
        return result

    module.Worker.load_wsgi = traced_load
