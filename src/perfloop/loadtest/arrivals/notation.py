"""Profiles as people write them: `ramp 10..500 30s, constant 500 1m`, or as a table of a TOML file."""

from __future__ import annotations

import difflib
import re
import shlex
from typing import TYPE_CHECKING, Any

import msgspec

from ...exceptions import InvalidValue
from ...units import parse_duration
from .closed import Closed
from .constant import Constant
from .poisson import Poisson
from .ramp import Ramp
from .replay import Replay
from .sequence import Sequence
from .sine import Sine
from .spike import Spike
from .steps import Steps
from .words import Form, Words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .profile import Profile

__all__ = ["PROFILES", "parse_profile", "profile_of"]

PROFILES: dict[str, type[Profile]] = {
    "closed": Closed,
    "constant": Constant,
    "poisson": Poisson,
    "ramp": Ramp,
    "steps": Steps,
    "spike": Spike,
    "sine": Sine,
    "replay": Replay,
    "sequence": Sequence,
}
"""Every arrival profile by its name. `sequence` is written with commas rather than with its name."""

_PAUSE = Form("pause TIME", "pause 10s")
_TIMES = ("duration", "each", "length", "at", "period")
_RATE = re.compile(r"[\d.]")


def parse_profile(text: str, *, where: str = "profile") -> Profile:
    """The profile in `ramp 10..500 30s, constant 500 1m`: pieces parted by commas, `then`, semicolons or line ends.

    Reads the file of a `replay`.

    Raises:
        InvalidValue: names the piece, what was expected in it, and how it is written.
    """
    pieces = tuple(_piece(words, where) for words in _pieces(text, where))
    if not pieces:
        raise InvalidValue(
            "Expected a profile", got=text, where=where, hint="for example `ramp 10..500 30s, constant 500 1m`"
        )
    profile = pieces[0] if len(pieces) == 1 else Sequence(pieces)
    profile.validate(where)
    return profile


def profile_of(value: object, *, where: str = "profile") -> Profile:
    """The profile in a value of a TOML file: text, a table with its `kind` and fields, or an array of these.

    Durations are seconds, or text such as `30s`. A table of `replay` has the `file` to read.

    Raises:
        InvalidValue: names the key, what was expected and what was got.
    """
    if isinstance(value, list) and value:
        pieces = [profile_of(piece, where=f"{where}[{number}]") for number, piece in enumerate(value)]
        profile = pieces[0] if len(pieces) == 1 else Sequence(tuple(pieces))
        profile.validate(where)
        return profile
    if isinstance(value, str):
        return parse_profile(value, where=where)
    if isinstance(value, dict):
        return _of_table(value, where)
    raise InvalidValue(
        "Expected a profile as text, as a table with its kind, or as an array of these", got=value, where=where
    )


def _of_table(table: Mapping[str, Any], where: str) -> Profile:
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in PROFILES:
        raise InvalidValue(f"Expected the kind of a profile: {', '.join(PROFILES)}", got=kind, where=f"{where}.kind")
    fields = {key: value for key, value in table.items() if key != "kind"}
    for key in _TIMES:
        if isinstance(fields.get(key), str):
            fields[key] = parse_duration(fields[key], where=f"{where}.{key}")
    profile: Profile
    try:
        if kind == "replay":
            if not isinstance(fields.get("file"), str):
                raise InvalidValue("Expected the file of a replay", got=fields.get("file"), where=f"{where}.file")
            profile = Replay.read(**msgspec.convert(fields, _ReplayTable).arguments(), where=f"{where}.file")
        elif kind == "poisson":
            profile = Poisson(profile_of(table.get("of"), where=f"{where}.of"))
        elif kind == "sequence":
            profile = profile_of(table.get("pieces"), where=f"{where}.pieces")
        else:
            profile = msgspec.convert(fields, PROFILES[kind], strict=True)
    except msgspec.ValidationError as error:
        raise InvalidValue(str(error).removesuffix(" - at `$`"), where=where) from error
    profile.validate(where)
    return profile


class _ReplayTable(msgspec.Struct, forbid_unknown_fields=True):
    file: str
    speed: float = 1.0
    duration: float | None = None

    def arguments(self) -> dict[str, Any]:
        return {"path": self.file, "speed": self.speed, "duration": self.duration}


def _pieces(text: str, where: str) -> list[list[str]]:
    lexer = shlex.shlex(text.replace("\n", " , "), posix=True, punctuation_chars=",;")
    lexer.whitespace_split = True
    lexer.commenters = ""
    pieces: list[list[str]] = [[]]
    try:
        for word in lexer:
            if set(word) <= {",", ";"} or word.lower() == "then":
                pieces.append([])
            else:
                pieces[-1].append(word)
    except ValueError as error:
        raise InvalidValue(f"Expected a profile: {error}", got=text, where=where) from error
    return [piece for piece in pieces if piece]


def _piece(words: list[str], where: str) -> Profile:
    piece = " ".join(words)
    name, rest = words[0].lower(), words[1:]
    if name == "pause":
        taking = Words(rest, piece, _PAUSE, where)
        profile: Profile = Constant(0.0, taking.time())
        taking.end()
        return profile
    if name == "poisson":
        if not rest:
            Words(rest, piece, Poisson.form, where).fail("a rate or a profile")
        return Poisson(_piece(rest, where))
    if _RATE.match(name):
        name, rest = "constant", words
    kind = PROFILES.get(name)
    if kind is None or kind is Sequence:
        known = [*(known for known in PROFILES if known != "sequence"), "pause"]
        near = difflib.get_close_matches(name, known, 1, cutoff=0.6)
        raise InvalidValue(
            f"Expected a profile, one of {', '.join(known)}, in `{piece}`",
            got=words[0],
            where=where,
            hint=f"did you mean `{' '.join([near[0], *rest])}`?" if near else "for example `ramp 10..500 30s`",
        )
    taking = Words(rest, piece, kind.form, where)
    profile = kind.parse(taking)
    taking.end()
    return profile
