from __future__ import annotations

import errno
import socket
import ssl

import pytest

from perfloop.loadtest.failures import FailureTally, classify


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "connection refused"),
        (ConnectionResetError(errno.ECONNRESET, "reset by peer"), "connection reset"),
        (BrokenPipeError(), "connection reset"),
        (TimeoutError(), "connect timeout"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "TLS"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "name resolution"),
        (OSError(errno.EMFILE, "Too many open files"), "too many open files"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "network is unreachable"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "no such file or directory"),
        (OSError("something else"), "OSError"),
    ],
)
def test_errors_have_kinds_and_words(error, kind) -> None:
    found, text = classify(error)
    assert found == kind
    assert text


def test_a_tally_keeps_one_example_a_kind_and_the_most_frequent_first() -> None:
    tally = FailureTally()
    tally.add("rare", "the first")
    for number in range(1000):
        tally.add("often", f"number {number}", count=2)
    assert [(kind.kind, kind.count, kind.example) for kind in tally.kinds()] == [
        ("often", 2000, "number 0"),
        ("rare", 1, "the first"),
    ]
    assert tally.total == 2001
    assert tally.counts() == {"often": 2000, "rare": 1}
