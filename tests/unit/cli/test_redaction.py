from __future__ import annotations

import pytest

from perfloop.cli.redaction import redact_command, redact_words

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-H", "Authorization: Bearer s3cret"], ["-H", "Authorization: ***"]),
        (["-HAuthorization: Bearer s3cret"], ["-HAuthorization: ***"]),
        (["--header", "X-Key: s3cret"], ["--header", "X-Key: ***"]),
        (["--header=X-Key: s3cret"], ["--header=X-Key: ***"]),
        (["-H", "s3cret"], ["-H", "***"]),
        (["-d", "card=s3cret"], ["-d", "***"]),
        (["-dcard=s3cret"], ["-d***"]),
        (["--data", "@body.json"], ["--data", "@body.json"]),
        (["http://user:s3cret@host/p?token=s3cret&page=1"], ["http://***@host/p?token=***&page=1"]),
        (["--request", "2x GET /a?api_key=s3cret"], ["--request", "2x GET /a?api_key=***"]),
        (["--request", 'POST /cart {"card": "s3cret"}'], ["--request", "POST /cart ***"]),
        (["--request", "POST /cart @cart.json"], ["--request", "POST /cart @cart.json"]),
        (["--cmd", "DB_PASSWORD=s3cret FIX=1 serve --port 80"], ["--cmd", "'DB_PASSWORD=***' FIX=1 serve --port 80"]),
        (["--cmd", "serve 's3cret"], ["--cmd", "***"]),
        (["--", "serve", "--api-key", "s3cret", "-v"], ["--", "serve", "--api-key", "***", "-v"]),
        (["--ready", "u:s3cret@h/?token=s3cret"], ["--ready", "***@h/?token=***"]),
        (["u:s3cret@h/?token=s3cret"], ["***@h/?token=***"]),
        (["h/x?token=s3cret"], ["h/x?token=***"]),
        (["http://u:s3cret pw@127.0.0.1:abc/"], ["http://***@127.0.0.1:abc/"]),
        (["--", "/bin/serve --password=s3cret"], ["--", "/bin/serve --password=***"]),
        (["--", "/bin/serve --password s3cret"], ["--", "/bin/serve --password ***"]),
        (["--", "serve", "--db=postgres://u:s3cret@h/d"], ["--", "serve", "--db=postgres://***@h/d"]),
    ],
)
def test_secrets_are_taken_out(words: list[str], expected: list[str]) -> None:
    redacted = redact_command(["perfloop", "load", *words])
    assert redacted[2:] == expected
    assert SECRET not in " ".join(redacted)


def test_what_is_no_secret_stays() -> None:
    words = ["perfloop", "load", "http://127.0.0.1:8000/a?page=2", "--rate", "500", "--fail-if", "p99>5ms", "-H"]
    assert redact_command(words) == words
    assert redact_words(["uvicorn", "shop:app", "--port=8000"]) == ["uvicorn", "shop:app", "--port=8000"]
