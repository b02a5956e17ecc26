"""Finding the code in a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .blocks import Block, blocks, commands, files, links, ports

if TYPE_CHECKING:
    from pathlib import Path

PAGE = """\
# Title, with a [link](other.md#part) and a [site](https://example.org)

```python
print(1)
```

1. In a list:

   ```console
   $ perfloop load http://127.0.0.1:8000/ \\
       --rate 5  # a comment
   requests 50
   $ make demo
   ```

````text
```python
raise RuntimeError("shown, not run: [no](link.md)")
```
````
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


def test_blocks_have_their_language_line_and_code(page: Path) -> None:
    first, second, third = blocks(page)
    assert first == Block("page.md", 4, "python", "print(1)\n")
    assert (second.language, second.line) == ("console", 10)
    assert second.code.startswith("$ perfloop load")
    assert third.language == "text"
    assert "raise RuntimeError" in third.code


def test_commands_are_the_lines_after_a_dollar(page: Path) -> None:
    assert commands(blocks(page)[1].code) == [
        ["perfloop", "load", "http://127.0.0.1:8000/", "--rate", "5"],
        ["make", "demo"],
    ]


def test_ports_and_links(page: Path) -> None:
    assert ports("GET http://localhost:8001/a http://127.0.0.1:8000 http://example.org:99") == [8000, 8001]
    assert links(page) == ["other.md"]


def test_files_are_shown_after_their_name(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(
        "With this `access.log`, in that format:\n\n```text\nGET /\n```\n\nand `other.log`:\n\n```text\nx\n```\n"
    )
    assert files(path) == {"access.log": "GET /\n"}


def test_an_open_fence_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("text\n```python\nprint(1)\n")
    with pytest.raises(ValueError, match=r"page\.md:2: this fence is never closed"):
        blocks(path)
