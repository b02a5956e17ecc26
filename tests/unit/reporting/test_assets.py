from __future__ import annotations

import base64
import hashlib

from perfloop.reporting.assets import content_policy, script, style


def test_the_style_knows_light_and_dark() -> None:
    assert style().count("--paper: #14161a") == 2
    assert "DARK" not in style()
    assert style("live.css").startswith(style())


def test_every_script_begins_with_the_theme() -> None:
    assert script("script.js").startswith('(() => {\n  "use strict";\n\n  // Light and dark')
    assert script("script.js").count("use strict") == script("live.js").count("use strict") == 2


def test_the_policy_lets_that_style_and_that_script_run() -> None:
    policy = content_policy("a", "b", "connect-src 'self'").split("; ")
    digest = base64.b64encode(hashlib.sha256(b"b").digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy[0] == "default-src 'none'"
    assert policy[-1] == "connect-src 'self'"
