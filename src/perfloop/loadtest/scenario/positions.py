"""The line on which each key of a TOML text stands.

The standard library's reader, and every other one at hand, keeps no positions of what it read, so the text is walked
once more. It has been read successfully by then: this only follows it, and need not know what is wrong TOML.
"""

from __future__ import annotations

import re
import tomllib

__all__ = ["Path", "key_lines"]

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY_PART = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_STRING = re.compile(r'''"""(?:[^\\]|\\.)*?"""+|\'\'\'.*?\'\'\'+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\'''', re.DOTALL)
_BARE = re.compile(r"[^\s,\]}#]+(?: [0-9][^\s,\]}#]*)?")  # a date may have a blank before its time


def key_lines(text: str) -> dict[Path, int]:
    """The line, counted from 1, of each key, table and array element of a valid TOML text.

    Keys are paths as the parsed value has them: `("journey", 0, "step", 2, "path")`.
    """
    return _Walk(text).lines


class _Walk:
    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._counts: dict[Path, int] = {}
        table: Path = ()
        self._blank()
        while self._at < len(text):
            if text.startswith("[[", self._at):
                table = self._header(2)
            elif text.startswith("[", self._at):
                table = self._header(1)
            else:
                self._pair(table)
            self._blank()

    def _blank(self) -> None:
        match = _BLANK.match(self._text, self._at)
        assert match is not None
        self._at = match.end()

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._blank()
            match = _KEY_PART.match(self._text, self._at)
            assert match is not None
            self._at = match.end()
            part = match[0]
            keys.append(part if part[0] not in "\"'" else next(iter(tomllib.loads(f"{part} = 0"))))
            self._blank()
            if not self._text.startswith(".", self._at):
                return keys
            self._at += 1

    def _enter(self, table: Path, keys: list[str]) -> Path:
        """The path of a key below a table: an array of tables on the way means its last element."""
        line = self._line()
        for key in keys:
            table = (*table, key)
            self.lines.setdefault(table, line)
            if table in self._counts and key is not keys[-1]:
                table = (*table, self._counts[table] - 1)
        return table

    def _header(self, brackets: int) -> Path:
        self._at += brackets
        line = self._line()
        path = self._enter((), self._keys())
        self._at += brackets
        if brackets == 2:
            self._counts[path] = self._counts.get(path, 0) + 1
            path = (*path, self._counts[path] - 1)
        elif path in self._counts:
            path = (*path, self._counts[path] - 1)
        self.lines[path] = line
        return path

    def _pair(self, table: Path) -> None:
        keys = self._keys()
        path = self._enter(table, keys)
        self._at += 1  # the equals sign
        self._blank()
        self._value(path)

    def _value(self, path: Path) -> None:
        text = self._text
        if text[self._at] == "[":
            self._at += 1
            index = 0
            while self._next("]"):
                self.lines[(*path, index)] = self._line()
                self._value((*path, index))
                index += 1
        elif text[self._at] == "{":
            self._at += 1
            while self._next("}"):
                self._pair(path)
        else:
            match = _STRING.match(text, self._at) or _BARE.match(text, self._at)
            assert match is not None
            self._at = match.end()

    def _next(self, end: str) -> bool:
        """Move to the next element of an array or inline table; False, and past it, at its end."""
        while True:
            self._blank()
            character = self._text[self._at]
            if character == end:
                self._at += 1
                return False
            if character != ",":
                return True
            self._at += 1
