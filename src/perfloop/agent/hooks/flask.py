"""Flask: a WSGI application; the route is the matched URL rule."""

from __future__ import annotations

from typing import Any

from ..frames import code_frame
from ..state import CURRENT
from ..wsgi import call_application

__all__ = ["apply"]


def apply(module: Any) -> None:
    """Trace Flask.__call__; read the rule when the request is dispatched."""
    flask = module.Flask
    call, dispatch = flask.__call__, flask.full_dispatch_request

    def traced_call(self: Any, environ: Any, start_response: Any) -> Any:
        return call_application(call, (self,), environ, start_response)

    def noting_dispatch(self: Any, *args: Any, **options: Any) -> Any:
        request = CURRENT.get()
        if request is not None and request.live and request.route is None:
            try:
                rule = module.request.url_rule
                if rule is not None:
                    request.route = rule.rule
                    request.handler = code_frame(self.view_functions.get(rule.endpoint))
            except Exception as error:
                from ..channel import CHANNEL

                CHANNEL.hook_failed("flask", error)
        return dispatch(self, *args, **options)

    flask.__call__ = traced_call
    flask.full_dispatch_request = noting_dispatch
