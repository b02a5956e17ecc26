"""A statement without its values: what stays the same when the same code runs it again."""

from __future__ import annotations

import re

__all__ = ["TOKEN", "fingerprint"]

_MAX_SQL = 20_000
_MAX_FINGERPRINT = 2_000

TOKEN = re.compile(
    r"""
    (?P<comment> --[^\n]* | /\*.*?(?:\*/|\Z) )
  | (?P<quoted> "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] )
  | (?P<text> [xX]?'(?:[^']|'')*(?:'|\Z) | \$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z) )
  | (?P<number> (?<![\w.$])(?:0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?!\w) )
  | (?P<parameter> (?:\?\d* | %s | %\(\w+\)s | (?<![:\w])[:@$]\w+)
      (?: ::(?:\w+(?:[ ](?:PRECISION|VARYING|WITH(?:OUT)?[ ]TIME[ ]ZONE))?|"[^"]+")
          (?:\(\d+(?:,\s*\d+)?\))? (?:\[\])* )? )
  | (?P<space> \s+ )
  | (?P<word> [\w$]+ )
  | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_LIST = re.compile(r"\(\s*\?(?:\s*,\s*\?)+\s*\)")
_IN_LIST = re.compile(r"\b(IN)\s*\(\?(?:,\s?\?)*\)", re.IGNORECASE)
_VALUES = re.compile(r"\b(VALUES)\s*(\([^()]*\))(?:\s*,\s*\([^()]*\))+", re.IGNORECASE)
_SIGN = re.compile(
    r"([=<>(,+*/]|\b(?:AND|OR|THEN|ELSE|LIMIT|OFFSET|BETWEEN|IN|LIKE|SELECT|BY|WHEN|SET|VALUES)) ?- ?\?", re.IGNORECASE
)
_SPACED = re.compile(r"\s*,\s*")


def fingerprint(sql: str) -> str:
    """`sql` with literals and parameters as `?`, IN lists and repeated VALUES collapsed, white space folded.

    Comments and the casts of parameters go, quoted identifiers stay as they are. Statements differing only in values
    have one fingerprint; at most 2,000 characters are kept.
    """
    pieces: list[str] = []
    for match in TOKEN.finditer(sql[:_MAX_SQL]):
        kind = match.lastgroup
        if kind in ("comment", "space"):
            if pieces and pieces[-1] != " ":
                pieces.append(" ")
        elif kind in ("text", "number", "parameter"):
            pieces.append("?")
        else:
            pieces.append(match.group())
    text = "".join(pieces).strip().rstrip(";").rstrip()
    text = _SIGN.sub(r"\1 ?", text) if "-" in text else text
    text = _LIST.sub(_join_list, text)
    text = _IN_LIST.sub(r"\1 (?)", text)
    text = _VALUES.sub(r"\1 \2", text)
    return text[:_MAX_FINGERPRINT]


def _join_list(match: re.Match[str]) -> str:
    return _SPACED.sub(", ", match.group().replace("( ", "(").replace(" )", ")"))
