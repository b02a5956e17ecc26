"""Where keys stand in a TOML text, against what the reader read."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from perfloop.loadtest.scenario.positions import key_lines

TEXT = '''\
# a comment with [table] and key = 1
name = "shop"  # another
[headers]
"X-Own" = 'a # no comment'
text = """
[not]
a = "table"
"""

[feeders.users]
file = "a.csv"
[[request]]
path = "/a"
check = { status = [200,
  201], json = { "/a" = 1 } }
[[journey]]
name = "buy"
[[journey.step]]
path = "/1"
[[journey.step]]
path = "/2"
extract.token = { json = "/t" }
[[journey]]
step = [
  { path = "/3" },
  # between
  { path = "/4", headers = {} },
]
when = 2026-01-01 10:00:00
[journey.more]
x = 1.5
'''


def test_lines_of_keys() -> None:
    tomllib.loads(TEXT)
    lines = key_lines(TEXT)
    expected = {
        ("name",): 2,
        ("headers",): 3,
        ("headers", "X-Own"): 4,
        ("headers", "text"): 5,
        ("feeders", "users"): 10,
        ("feeders", "users", "file"): 11,
        ("request", 0): 12,
        ("request", 0, "path"): 13,
        ("request", 0, "check", "status", 1): 15,
        ("request", 0, "check", "json", "/a"): 15,
        ("journey", 0, "name"): 17,
        ("journey", 0, "step", 0, "path"): 19,
        ("journey", 0, "step", 1): 20,
        ("journey", 0, "step", 1, "extract", "token", "json"): 22,
        ("journey", 1, "step", 0, "path"): 25,
        ("journey", 1, "step", 1, "path"): 27,
        ("journey", 1, "when"): 29,
        ("journey", 1, "more", "x"): 31,
    }
    assert {path: lines.get(path) for path in expected} == expected


def paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, one in inner for found in ((*path, key), *paths(one, (*path, key)))]


KEYS = st.text("ab-_", min_size=1, max_size=3) | st.just('"a.b"') | st.just("'[[x]]'")
SCALARS = st.sampled_from(
    ["1", "-2.5", "true", '"x"', "'#'", '"""a\nb = 1\n"""', "'''\n[x]\n'''", '"\\"]"', "1979-05-27"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[\n" + ",\n # c\n".join(items) + "]")
        | st.dictionaries(KEYS, inner, max_size=3).map(
            lambda table: "{" + ", ".join(f"{key} = {value}" for key, value in table.items()) + "}"
        )
    ),
    max_leaves=6,
)


@given(
    st.lists(st.tuples(st.sampled_from(["[[t{}]]", "[u{}]"]), st.dictionaries(KEYS, VALUES, max_size=3)), max_size=4)
)
def test_every_key_of_any_text_is_found(tables: list[tuple[str, dict[str, str]]]) -> None:
    text = "\n".join(
        header.format("" if header.startswith("[[") else number)
        + "\n"
        + "\n".join(f"{key} = {value}" for key, value in pairs.items())
        for number, (header, pairs) in enumerate(tables)
    )
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # a line break inside an inline table
        return
    lines = key_lines(text)
    written = text.split("\n")
    for path in paths(data):
        assert path in lines, (path, text)
        if isinstance(path[-1], str):
            assert path[-1] in written[lines[path] - 1]
