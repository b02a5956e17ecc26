"""Loads perfloop's agent into this interpreter, then the sitecustomize the service has itself.

`perfloop diagnose -- CMD` puts this file's directory, and nothing else, first on PYTHONPATH. The agent is loaded by
its place on disk under a private name, so it also works where no perfloop is installed, or another one.
"""

# What importlib.util re-exports, without what that imports besides.
import _frozen_importlib
import _frozen_importlib_external
import os
import sys


def _load_agent(package: str) -> None:
    spec = _frozen_importlib_external.spec_from_file_location(
        "_perfloop_agent", os.path.join(package, "__init__.py"), submodule_search_locations=[package]
    )
    assert spec is not None
    assert spec.loader is not None
    agent = _frozen_importlib.module_from_spec(spec)
    sys.modules["_perfloop_agent"] = agent
    try:
        spec.loader.exec_module(agent)
        agent.start()
    except BaseException:
        sys.modules.pop("_perfloop_agent", None)
        raise


def _load_next(own: str) -> None:
    path = [entry for entry in sys.path if os.path.realpath(entry or os.curdir) != own]
    spec = _frozen_importlib_external.PathFinder.find_spec("sitecustomize", path)
    if spec is None or spec.loader is None:
        return
    module = _frozen_importlib.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    # What it raises is the service's own affair, as without the agent.
    spec.loader.exec_module(module)


_own = os.path.dirname(os.path.realpath(__file__))
if os.environ.get("PERFLOOP_AGENT_SOCKET") and sys.version_info >= (3, 11):
    try:
        _load_agent(os.path.dirname(_own))
    except Exception as error:
        # The service goes on without it, and its children do not try again: one line says why nothing will be seen.
        del os.environ["PERFLOOP_AGENT_SOCKET"]
        try:
            os.write(2, f"perfloop: the agent cannot be loaded: {type(error).__name__}: {error}\n".encode())
        except OSError:
            pass
_load_next(_own)
