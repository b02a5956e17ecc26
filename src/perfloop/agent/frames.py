"""Where in the user's code: the frames of a call, told from library frames once per code object."""

from __future__ import annotations

import os
import sys
from sys import _getframe
from types import CodeType, FrameType

from .installed import is_installed
from .tables import TABLES

# Not from typing: importing that would cost every helper process of the service.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["call_site", "code_frame", "is_user_code", "site_at", "stack_of"]

_MAX_SITE = 10
_MAX_DEPTH = 400
_MAX_STACK = 80
_MAX_TRAILS, _TRAILS_EACH = 5_000, 4

_OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep
_PERFLOOP = os.path.dirname(os.path.dirname(_OWN)) + os.sep
"""A library like others, from wherever it is imported."""

_LIBRARY, _USER, _AGENT, _BOUNDARY, _SPAWN, _TEMPLATE = 0, 1, 2, 3, 4, 5
_RENDERS = os.path.join("django", "template", "base.py"), "render_annotated"
"""Where Django renders a node of a template, which knows its line."""

# By id: hashing a code object compares all of it. The objects are kept, so that their ids stay their own.
_KINDS: dict[int, int] = {}
_KEPT: list[CodeType] = []

# Where the agent calls the request's code: no frame further out belongs to the request.
_BOUNDARIES = {("driving.py", "send"), ("driving.py", "__next__"), ("driving.py", "throw"), ("workers.py", "__call__")}
_BOUNDARIES |= {("wsgi.py", "call_application"), ("wsgi.py", "__next__")}


def _library_prefixes() -> tuple[str, ...]:
    found = {os.path.dirname(os.path.realpath(os.__file__)) + os.sep, os.path.dirname(os.__file__) + os.sep}
    for name in ("base_prefix", "prefix", "base_exec_prefix", "exec_prefix"):
        prefix = getattr(sys, name, None)
        if prefix:
            version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
            for library in ("lib", "lib64"):
                found.add(os.path.join(prefix, library, version) + os.sep)
    return tuple(found)


_LIBRARIES = _library_prefixes()
_PACKAGES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


def is_user_code(filename: str) -> bool:
    """Neither the standard library, an installed package, generated code, nor perfloop."""
    if not filename or filename.startswith("<"):
        return False
    if any(part in filename for part in _PACKAGES):
        return False
    path = os.path.abspath(filename)
    return not path.startswith((*_LIBRARIES, _PERFLOOP)) and not is_installed(path)


def _classify(code: CodeType) -> int:
    """What the code is, looked up once per code object."""
    kind = _KINDS.get(id(code))
    if kind is not None:
        return kind
    file = code.co_filename
    if file.startswith(_OWN):
        kind = _BOUNDARY if (os.path.basename(file), code.co_name) in _BOUNDARIES else _AGENT
    elif is_user_code(file):
        kind = _USER
    elif code.co_name == _RENDERS[1] and file.endswith(_RENDERS[0]):
        kind = _TEMPLATE
    else:
        kind = _SPAWN if code.co_name == "greenlet_spawn" else _LIBRARY
    if len(_KEPT) < 100_000:
        _KEPT.append(code)
        _KINDS[id(code)] = kind
    return kind


# What asks → (site, its trail) of the last few sites found for it; see `_trail_of`.
_TRAILS: dict[Any, list[tuple[int, list[tuple[int, CodeType, int]]]]] = {}
_NEXT = -1


def site_at(asks: Any, depth: int) -> int:
    """As `call_site`, `depth` frames out of the caller, for something that asks from few places: a statement.

    It looks first whether the user's frames are where they were found before, which spares the walk: the interpreter
    makes an object of each frame that is walked over, and none of those that are only counted.
    """
    depth += 1
    trails = _TRAILS.get(asks, ())
    for number, trail in trails:
        frame: Any = None
        try:
            for steps, code, instruction in trail:
                # The user's frames have objects already: from one to the next is nearer than from here.
                frame = frame.f_back if steps == _NEXT else _getframe(depth + steps)
                if frame.f_code is not code or frame.f_lasti != instruction:
                    break
            else:
                return number
        except (ValueError, AttributeError):
            # The stack is not that deep.
            pass
    innermost = _getframe(depth)
    key, found = _user_frames(innermost)
    number = _site(key, found)
    trail = _trail_of(innermost, found)
    if trail:
        if len(_TRAILS) >= _MAX_TRAILS:
            _TRAILS.clear()
        _TRAILS[asks] = [(number, trail), *trails][:_TRAILS_EACH]
    return number


def _trail_of(frame: FrameType | None, found: list[Any]) -> list[tuple[int, CodeType, int]]:
    """(steps outwards from `frame`, code, instruction) of the frames found, and of the one that called the outermost.

    The steps are _NEXT for the caller of the one before. Empty where that does not tell the site: frames of another
    greenlet, nodes of a template.
    """
    trail: list[tuple[int, CodeType, int]] = []
    steps, last = 0, _NEXT - 1
    while frame is not None and len(trail) < len(found):
        if frame is found[len(trail)]:
            trail.append((_NEXT if steps == last + 1 else steps, frame.f_code, frame.f_lasti))
            last = steps
        frame = frame.f_back
        steps += 1
    if len(trail) < len(found):
        return []
    if trail and frame is not None:
        trail.append((_NEXT, frame.f_code, frame.f_lasti))
    return trail


def call_site(frame: FrameType | None) -> int:
    """The number of the site: the user's frames from `frame` outwards, innermost first. 0 when no user code is there.

    Crosses into the greenlet that SQLAlchemy's asyncio layer suspended, where the user's code waits.
    """
    return _site(*_user_frames(frame))


def _user_frames(frame: FrameType | None) -> tuple[list[Any], list[Any]]:
    """What tells the site, and the user's frames, innermost first: frames, or nodes of a template."""
    kind_of = _KINDS.get
    key: list[Any] = []
    found: list[Any] = []
    crossed = False
    try:
        for _ in range(_MAX_DEPTH):
            if frame is None:
                if crossed:
                    break
                crossed = True
                frame = _parent_greenlet_frame()
                if frame is None:
                    break
            code = frame.f_code
            kind = kind_of(id(code))
            if kind is None:
                kind = _classify(code)
            if kind:
                if kind == _USER:
                    key += (id(code), frame.f_lasti)
                    found.append(frame)
                    if len(found) >= _MAX_SITE:
                        break
                elif kind == _BOUNDARY:
                    break
                elif kind == _TEMPLATE:
                    node = _template_node(frame)
                    if node is not None and node not in found:
                        key += node
                        found.append(node)
                elif kind == _SPAWN and not crossed:
                    inner = getattr(frame.f_locals.get("context"), "gr_frame", None)
                    if inner is not None:
                        crossed = True
                        _collect(inner, key, found)
            frame = frame.f_back
    except AttributeError:
        # Under greenlets, f_back has been seen to be no frame: what was found until there counts.
        pass
    return key, found


def _site(key: list[Any], found: list[Any]) -> int:
    if not found:
        return 0
    site = tuple(key)
    number = TABLES.sites.get(site)
    if number is None:
        numbers = [_enter(*each) if type(each) is tuple else _frame_number(each) for each in found]
        number = TABLES.sites.number(site, numbers)
    return number


def _template_node(frame: FrameType) -> tuple[str, int, str, bool] | None:
    """File, line, name and "user's own" of a node of Django's templates; None: it does not know them, or is no tag."""
    node = frame.f_locals.get("self")
    file = getattr(getattr(node, "origin", None), "name", None)
    line = getattr(getattr(node, "token", None), "lineno", None)
    if type(file) is not str or type(line) is not int or not os.path.isabs(file) or not is_user_code(file):
        return None
    return file, line, type(node).__name__, True


def _collect(frame: Any, key: list[Any], found: list[Any]) -> None:
    walked = 0
    while type(frame) is FrameType and walked < _MAX_DEPTH and len(found) < _MAX_SITE:
        walked += 1
        if _classify(frame.f_code) == _USER:
            key += (id(frame.f_code), frame.f_lasti)
            found.append(frame)
        frame = frame.f_back


def _parent_greenlet_frame() -> FrameType | None:
    greenlet = sys.modules.get("greenlet")
    if greenlet is None:
        return None
    parent = greenlet.getcurrent().parent
    return getattr(parent, "gr_frame", None)


def stack_of(frame: FrameType | None) -> int:
    """The number of the stack from `frame` out to where the agent calls the request's code; 0 for an empty one.

    The server's frames further out are the same for every request; outside requests all frames count.
    """
    key: list[int] = []
    found: list[FrameType] = []
    kind_of = _KINDS.get
    while type(frame) is FrameType and len(found) < _MAX_STACK:
        code = frame.f_code
        kind = kind_of(id(code))
        if kind is None:
            kind = _classify(code)
        if kind == _BOUNDARY:
            break
        if kind != _AGENT:
            # The instruction is cheaper to ask for than the line; only the innermost has many to a line.
            key += (id(code), frame.f_lasti if found else frame.f_lineno or 0)
            found.append(frame)
        frame = frame.f_back
    if not found:
        return 0
    stack = tuple(key)
    number = TABLES.stacks.get(stack)
    if number is None:
        number = TABLES.stacks.number(stack, [_frame_number(each) for each in found])
    return number


def code_frame(function: Any) -> int:
    """The number of the frame where a function (or a class's or partial's function) is defined; 0 when unknown."""
    for _ in range(10):
        inner = getattr(function, "__wrapped__", None) or getattr(function, "func", None)
        if inner is None or not callable(inner):
            break
        function = inner
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None:
        method = getattr(type(function), "__call__", None)  # noqa: B004 - the method itself is wanted
        code = getattr(method, "__code__", None)
    if not isinstance(code, CodeType):
        return 0
    return _enter(code.co_filename, code.co_firstlineno, _name(code), _classify(code) == _USER)


def _frame_number(frame: FrameType) -> int:
    code = frame.f_code
    line = frame.f_lineno or code.co_firstlineno
    template = frame.f_globals.get("__jinja_template__")
    if template is not None:
        try:
            line = template.get_corresponding_lineno(line)
        except Exception:
            # Of another version of Jinja: the line is that of the Python it was compiled to.
            pass
    return _enter(code.co_filename, line, _name(code), _classify(code) == _USER)


def _enter(file: str, line: int, function: str, user: bool) -> int:
    frame = (file if file.startswith("<") else os.path.abspath(file), line, function, user)
    return TABLES.frames.number(frame)


def _name(code: CodeType) -> str:
    return code.co_name
