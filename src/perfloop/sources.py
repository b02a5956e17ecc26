"""The user's source code, read for what an observation cannot tell: enclosing loops, attributes, relationships."""

from __future__ import annotations

import ast
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from .records import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["STATEMENT_CALLS", "Line", "Relationship", "Sources"]

_DRIVER_CALLS = (
    "execute",
    "executemany",
    "fetch",
    "fetchall",
    "fetchmany",
    "fetchone",
    "fetchrow",
    "fetchval",
    "query",
)
STATEMENT_CALLS = frozenset([*_DRIVER_CALLS, "scalar", "scalars", "stream", "stream_scalars"])
"""Methods by which code runs a statement of its own, and not a relationship's."""

_Comprehension: TypeAlias = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_TEMPLATE_LOOP = re.compile(r"\{%[-+]?\s*(for|endfor)\b")
_LARGEST_FILE = 1_000_000
_MOST_FILES = 300
_SKIPPED = frozenset({"node_modules", "site-packages", "__pycache__", "venv", "env", "build", "dist"})
_TO_MANY = frozenset({"ManyToManyField", "DynamicMapped", "WriteOnlyMapped"})
_FIELDS = frozenset({"relationship", "ForeignKey", "OneToOneField", "ManyToManyField"})
_COLLECTIONS = ("list", "List", "set", "Set", "Sequence", "Collection", "Iterable", "dict", "Dict")


_WRAPPERS = frozenset(["Mapped", "Optional", "None", *_COLLECTIONS, *_TO_MANY])


class Line(Protocol):
    """A line of code that was on a stack."""

    @property
    def file(self) -> str:
        """As an absolute path."""

    @property
    def line(self) -> int: ...

    @property
    def function(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Relationship:
    """One attribute that loads related rows."""

    owner: str
    """The class that has the attribute."""
    attribute: str
    framework: str
    """`sqlalchemy` or `django`."""
    many: bool
    target: str | None = None
    """The class of the related rows, where it is named."""


class Sources:
    """Source files, parsed at most once.

    Args:
        root: the service's working directory; files below it get relative paths in records.
        texts: files by absolute path, instead of the file system (for tests).
    """

    def __init__(self, root: str | os.PathLike[str], texts: Mapping[str, str] | None = None) -> None:
        self.root = Path(root).absolute()
        self._texts = texts
        self._trees: dict[str, ast.Module | None] = {}
        self._lines: dict[str, list[str]] = {}
        self._near: dict[str, list[str]] = {}
        self._declared: dict[str, list[Relationship]] = {}
        self._named: dict[tuple[str, str], set[str]] = {}

    def lines(self, file: str) -> list[str]:
        """The lines of a file; empty when it cannot be read."""
        if file not in self._lines:
            self._lines[file] = (self._read(file) or "").splitlines()
        return self._lines[file]

    def line(self, file: str, number: int) -> str | None:
        """One line without its indentation; None when the file has no such line."""
        lines = self.lines(file)
        return lines[number - 1].strip() if 0 < number <= len(lines) else None

    def place(self, frame: Line) -> Place:
        """The frame as a place of a record."""
        return self._place(frame.file, frame.line, frame.function)

    def _place(self, file: str, line: int, function: str) -> Place:
        path = Path(file)
        shown = str(path.relative_to(self.root)) if path.is_relative_to(self.root) else file
        return Place(file=shown, line=line, function=function, source=self.line(file, line))

    def loop_around(self, frames: Iterable[Line]) -> Place | None:
        """The innermost loop or comprehension that repeats one of the frames' lines, walking outwards.

        Args:
            frames: the user's frames of a call, innermost first.
        """
        frame, line = self._repeated_by(frames)
        return self._place(frame.file, line, frame.function) if frame is not None else None

    def call_in_loop(self, frames: Sequence[Line]) -> Place | None:
        """The line in that loop that calls the innermost one; None where it is the innermost one itself, or no loop."""
        frame, _ = self._repeated_by(frames)
        return self.place(frame) if frame is not None and frame != frames[0] else None

    def _repeated_by(self, frames: Iterable[Line]) -> tuple[Line | None, int]:
        """The innermost of the frames that a loop round it repeats, and the loop's line."""
        for frame in frames:
            line = self._loop_line(frame)
            if line is not None:
                return frame, line
        return None, 0

    def _loop_line(self, frame: Line) -> int | None:
        tree = self._tree(frame.file)
        if tree is None:
            return None if frame.file.endswith(".py") else self._template_loop(frame)
        found: int | None = None
        for node in _enclosing(tree, frame.line):
            if isinstance(node, _FUNCTIONS) and not (isinstance(node, ast.Lambda) and node.lineno == frame.line):
                # A loop outside the function repeats the call of the function: that is the next frame's affair.
                found = None
            elif isinstance(node, ast.For | ast.AsyncFor | ast.While):
                repeated = [node.test, *node.body] if isinstance(node, ast.While) else node.body
                if any(_covers(part, frame.line) for part in repeated):
                    found = node.lineno
            elif isinstance(node, _COMPREHENSIONS) and any(_covers(part, frame.line) for part in _repeated(node)):
                first = node.generators[0].iter
                if not (_covers(first, frame.line) and self._issues_statement(first, frame)):
                    found = node.generators[0].target.lineno
        return found

    def _template_loop(self, frame: Line) -> int | None:
        """The innermost `{% for %}` round a line of a template of Jinja or Django."""
        open_loops: list[int] = []
        for number, text in enumerate(self.lines(frame.file)[: frame.line - 1], 1):
            for tag in _TEMPLATE_LOOP.findall(text):
                if tag == "for":
                    open_loops.append(number)
                elif open_loops:
                    open_loops.pop()
        return open_loops[-1] if open_loops else None

    def _issues_statement(self, iterable: ast.expr, frame: Line) -> bool:
        """On a line that holds a comprehension whole: its iterable, evaluated once, issues the statement.

        A frame has a line and no column. Up to Python 3.11 a comprehension is a function of its own; later the call or
        the relationship in the iterable tells.
        """
        if frame.function.startswith("<"):
            return False
        called = {
            ast.unparse(node.func).rpartition(".")[2] for node in ast.walk(iterable) if isinstance(node, ast.Call)
        }
        read = [node.attr for node in ast.walk(iterable) if isinstance(node, ast.Attribute)]
        return bool(called & STATEMENT_CALLS) or self.relationship(frame.file, read) is not None

    def attributes(self, file: str, line: int, *, repeated: bool = False) -> list[tuple[str, str]]:
        """(expression, attribute) of every attribute read on a line, the outermost first: `order.items`.

        Args:
            repeated: only those that a comprehension there reads for each of its rows.
        """
        return [
            (ast.unparse(node), node.attr)
            for node in self._on_line(file, line, repeated=repeated)
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
        ]

    def calls(self, file: str, line: int, *, repeated: bool = False) -> list[str]:
        """Names called on a line: `execute`, `sleep`, `requests.get`; `repeated` as for `attributes`."""
        return [
            ast.unparse(node.func)
            for node in self._on_line(file, line, repeated=repeated)
            if isinstance(node, ast.Call)
        ]

    def _on_line(self, file: str, line: int, *, repeated: bool) -> Iterator[ast.AST]:
        parts: list[ast.AST] = [tree] if (tree := self._tree(file)) is not None else []
        if repeated:
            parts = [
                part
                for tree in parts
                for node in ast.walk(tree)
                if isinstance(node, _COMPREHENSIONS) and _covers(node, line)
                for part in _repeated(node)
            ]
        return (node for part in parts for node in ast.walk(part) if _covers(node, line))

    def definition(self, file: str, line: int) -> str | None:
        """Name of the innermost named function around a line."""
        node = self._function(file, line)
        return node.name if node is not None else None

    def is_coroutine(self, file: str, line: int) -> bool:
        """Whether the innermost named function around a line is an `async def`, where `await` may stand."""
        return isinstance(self._function(file, line), ast.AsyncFunctionDef)

    def _function(self, file: str, line: int) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        tree = self._tree(file)
        found = None
        for node in _enclosing(tree, line) if tree is not None else ():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found = node
        return found

    def handler_place(self, frame: Line) -> Place:
        """Where a function is defined: its `def` line, which a code object does not know when there are decorators."""
        tree = self._tree(frame.file)
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                if first <= frame.line <= node.lineno and node.name == frame.function:
                    return self._place(frame.file, node.lineno, frame.function)
        return self.place(frame)

    def relationship(self, file: str, attributes: Iterable[str], frameworks: str = "") -> Relationship | None:
        """The first of the attributes that some model class near `file` declares as a relationship.

        Args:
            file: the one whose line reads the attributes.
            attributes: their names.
            frameworks: libraries in use; where one of them declares relationships, only its own count.
        """
        known: dict[str, Relationship] = {}
        for found in self._relationships_of(file, frameworks):
            known.setdefault(found.attribute, found)
        return next((known[attribute] for attribute in attributes if attribute in known), None)

    def relationship_to(
        self, file: str, table: str, key: str | None = None, frameworks: str = ""
    ) -> Relationship | None:
        """The relationship that loads rows of a table, where model classes near `file` declare exactly one that fits.

        Args:
            file: the one whose line loads them.
            table: as the statement names it, without its schema.
            key: the column that the statement asks by: `order_id` leads from an order to many rows, `id` to one.
            frameworks: as for `relationship`.
        """
        found = {known for known in self._relationships_of(file, frameworks) if self.leads_to(file, known, table)}
        fitting = {known for known in found if key is None or _leads_by(known, key.lower())} or found
        return fitting.pop() if len(fitting) == 1 else None

    def leads_to(self, file: str, known: Relationship, table: str) -> bool:
        """Whether the related rows are, as far as model classes near `file` say, in the table of that name."""
        return known.target is not None and table in self._tables(file, known.target)

    def _relationships_of(self, file: str, frameworks: str) -> list[Relationship]:
        found = list(self._relationships(file))
        named = [each for each in found if each.framework in frameworks.lower()]
        return named or found

    def _tables(self, file: str, model: str) -> set[str]:
        """What the table of a model class near `file` may be called."""
        if (file, model) not in self._named:
            self._named[file, model] = self._find_tables(file, model)
        return self._named[file, model]

    def _find_tables(self, file: str, model: str) -> set[str]:
        for path in self._neighbours(file):
            for node in self._nodes_with(path, [model]):
                if isinstance(node, ast.ClassDef) and node.name == model:
                    named = {
                        str(statement.value.value)
                        for statement in ast.walk(node)
                        if isinstance(statement, ast.Assign)
                        and isinstance(statement.value, ast.Constant)
                        and any(
                            isinstance(target, ast.Name) and target.id in ("__tablename__", "db_table")
                            for target in statement.targets
                        )
                    }
                    # Django's own name: the application's, then the model's.
                    return named or {model.lower(), f"{Path(path).parent.name}_{model.lower()}"}
        return set()

    def _relationships(self, file: str) -> Iterator[Relationship]:
        for path in self._neighbours(file):
            if path not in self._declared:
                self._declared[path] = [
                    relationship
                    for node in self._nodes_with(path, _FIELDS)
                    if isinstance(node, ast.ClassDef)
                    for statement in node.body
                    for relationship in _declared(node.name, statement)
                ]
            yield from self._declared[path]

    def _nodes_with(self, file: str, words: Iterable[str]) -> Iterator[ast.AST]:
        """All nodes of a file whose text has one of the words; none of another: to parse is dear, and few declare."""
        if file not in self._trees:
            text = self._read(file) or ""
            if not any(word in text for word in words):
                return
        tree = self._tree(file)
        yield from ast.walk(tree) if tree is not None else ()

    def _neighbours(self, file: str) -> list[str]:
        """Python files of the user's project, the one given and its directory first."""
        if file not in self._near:
            self._near[file] = self._find_neighbours(file)
        return self._near[file]

    def _find_neighbours(self, file: str) -> list[str]:
        if self._texts is not None:
            return [file, *(path for path in self._texts if path != file)]
        root = self.root if Path(file).is_relative_to(self.root) else Path(file).parent
        found = [file, *(str(path) for path in sorted(Path(file).parent.glob("*.py")))]
        for directory, names, files in os.walk(root):
            names[:] = sorted(name for name in names if name not in _SKIPPED and not name.startswith("."))
            found += [str(Path(directory, name)) for name in sorted(files) if name.endswith(".py")]
            if len(found) > _MOST_FILES:
                break
        return list(dict.fromkeys(found))[:_MOST_FILES]

    def _read(self, file: str) -> str | None:
        if self._texts is not None:
            return self._texts.get(file)
        try:
            path = Path(file)
            return path.read_text("utf-8", errors="replace") if path.stat().st_size <= _LARGEST_FILE else None
        except OSError:
            return None

    def _tree(self, file: str) -> ast.Module | None:
        if file not in self._trees:
            text = self._read(file) if file.endswith(".py") else None
            try:
                self._trees[file] = ast.parse(text) if text else None
            except (SyntaxError, ValueError):
                # A template, or code of a newer Python than ours: then there is no loop to name.
                self._trees[file] = None
        return self._trees[file]


def _leads_by(known: Relationship, key: str) -> bool:
    """The rows of a to-many relationship have their owner's name in the key, the row of a to-one its own."""
    return known.owner.lower() in key if known.many else not key.endswith("_id")


def _covers(node: ast.AST, line: int) -> bool:
    start = getattr(node, "lineno", None)
    return start is not None and start <= line <= (getattr(node, "end_lineno", None) or start)


def _enclosing(tree: ast.AST, line: int) -> Iterator[ast.AST]:
    """Nodes around a line, outermost first."""
    for child in ast.iter_child_nodes(tree):
        if _covers(child, line):
            yield child
            yield from _enclosing(child, line)
        elif not hasattr(child, "lineno"):
            yield from _enclosing(child, line)


def _repeated(node: _Comprehension) -> list[ast.AST]:
    """The parts of a comprehension evaluated more than once: all but the first iterable."""
    element = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    conditions = [condition for generator in node.generators for condition in generator.ifs]
    return [*element, *conditions, *(generator.iter for generator in node.generators[1:])]


def _declared(owner: str, statement: ast.stmt) -> Iterator[Relationship]:
    target: ast.expr
    if isinstance(statement, ast.AnnAssign):
        target, value = statement.target, statement.value
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
    else:
        return
    if not isinstance(target, ast.Name) or not isinstance(value, ast.Call):
        return
    function = ast.unparse(value.func)
    kind = function.rpartition(".")[2]
    if kind not in _FIELDS:
        return
    annotation = ast.unparse(statement.annotation) if isinstance(statement, ast.AnnAssign) else ""
    if kind == "relationship":
        inner = annotation.partition("[")[2]
        many = any(inner.startswith(f"{name}[") or f".{name}[" in inner for name in _COLLECTIONS)
        many = many or annotation.partition("[")[0] in _TO_MANY
        if not annotation:
            many = not any(keyword.arg == "uselist" for keyword in value.keywords)
        yield Relationship(owner, target.id, "sqlalchemy", many, _related(annotation) or _first_name(value))
    elif function.startswith("models.") or kind in ("OneToOneField", "ManyToManyField"):
        related = _first_name(value)
        yield Relationship(
            owner, target.id, "django", kind == "ManyToManyField", owner if related == "self" else related
        )
        yield from _reverse(owner, value)


def _related(annotation: str) -> str | None:
    """The class in an annotation like `Mapped[list[Item]]`."""
    words = [word for word in re.findall(r"\w+", annotation) if word not in _WRAPPERS]
    return words[-1] if words else None


def _first_name(call: ast.Call) -> str | None:
    """The class a field's first argument names, by itself or as text."""
    if not call.args:
        return None
    text = call.args[0].value if isinstance(call.args[0], ast.Constant) else ast.unparse(call.args[0])
    return str(text).rpartition(".")[2]


def _reverse(owner: str, value: ast.Call) -> Iterator[Relationship]:
    """The accessor Django adds to the class a foreign key points at."""
    related = _first_name(value)
    if related is None:
        return
    name = next(
        (
            keyword.value.value
            for keyword in value.keywords
            if keyword.arg == "related_name" and isinstance(keyword.value, ast.Constant)
        ),
        f"{owner.lower()}_set",
    )
    yield Relationship(owner if related == "self" else related, str(name), "django", True, owner)
