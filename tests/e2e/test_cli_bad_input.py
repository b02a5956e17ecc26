"""Wrong input: one clear message on stderr, nothing on stdout, the documented exit status, never a traceback."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from typing import TYPE_CHECKING, Protocol

import pytest

from perfloop.cli import main
from perfloop.cli.registry import COMMANDS

from ..servers.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Perfloop


class Here(Protocol):
    """Runs the command in this process: the same as `perfloop`, and a hundred times faster."""

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def here(workplace: Path, capsys: pytest.CaptureFixture[str]) -> Here:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        status = main(words)
        shown = capsys.readouterr()
        return subprocess.CompletedProcess(words, status, shown.out, shown.err)

    return run


def check(run: subprocess.CompletedProcess[str], status: int, *says: str) -> None:
    """One message in the documented form, which says these things."""
    assert run.returncode == status, run.stderr
    assert run.stdout == ""
    assert run.stderr.startswith("error: "), run.stderr
    assert run.stderr.count("error: ") == 1, run.stderr
    assert "Traceback" not in run.stderr
    for text in says:
        assert text in run.stderr, run.stderr


@pytest.fixture
def mute_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = []
        stopping = threading.Event()
        listener.settimeout(0.05)

        def accept() -> None:
            while not stopping.is_set():
                try:
                    taken.append(listener.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1]
        stopping.set()
        thread.join()
        for connection in taken:
            connection.close()


def test_a_refused_connection(perfloop: Perfloop) -> None:
    port = free_port()
    check(perfloop("load", f"http://127.0.0.1:{port}/"), 2, f"127.0.0.1:{port}", "refused", "hint: ")


def test_a_host_without_an_address(perfloop: Perfloop) -> None:
    check(perfloop("load", "http://nowhere.invalid/", "--timeout", "2s"), 2, "nowhere.invalid", "hint: ")


def test_a_socket_that_is_not_there(perfloop: Perfloop, workplace: Path) -> None:
    path = str(workplace / "missing.sock")
    check(perfloop("load", f"http+unix://{path.replace('/', '%2F')}/"), 2, path)


def test_a_target_that_never_answers(perfloop: Perfloop, mute_port: int) -> None:
    words = ["load", f"http://127.0.0.1:{mute_port}/", "--requests", "3", "--timeout", "300ms", "-o", "a.json"]
    run = perfloop(*words)
    assert run.returncode == 2, run.stderr
    assert "answered none of 3 requests" in run.stderr
    assert "--timeout" in run.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["ftp://127.0.0.1/"], ["http, https or http+unix", "ftp://127.0.0.1/"]),
        (["http:///x"], ["a host"]),
        (["http://127.0.0.1:99999/"], ["Port out of range"]),
        (["http://[::1/"], ["URL"]),
        (["http://a..b/"], ["parts between dots"]),
        ([f"http://{'ü' * 70}/"], ["parts between dots"]),
        (["http://127.0.0.1:1/\udcff"], ["no UTF-8"]),
        (["ftp://user:s3cret/pw@h/"], ["got    ftp://***@h/"]),
        (["http://user:s3cret?pw@h/"], ["got    http://***@h/"]),
        (["http://user:s3cret#pw@h/"], ["got    http://***@h/"]),
        (["http://user:s3cret pw@127.0.0.1:abc/"], ["got    http://***@127.0.0.1:abc/"]),
        (["http://user:s3cret[pw@h/x?token=s3cret"], ["got    http://***@h/x?token=***"]),
        (["http://h/", "-H", "Content-Length: s3cret"], ["the body's length", "got    Content-Length: ***"]),
        (["http://h/", "-d", "@/dev/zero"], ["more than 100 MB", "where  --data"]),
        (["http://h/", "-X", ""], ["a method", "where  --method"]),
        (["http://h/", "--output", ""], ["a path", "where  --output"]),
        (["http://h/", "--output", "x", "--html", "x"], ["two go to the same", "where  --output and --html"]),
        (["http://h/", "--fail-if", "p101>1s"], ["a metric", "where  --fail-if"]),
        (["http://h/", "--fail-if", f"bytes_per_second<{'9' * 400}"], ["a size", "where  --fail-if"]),
        (["http://h/", "--rate", "fast"], ["rate above zero", "got    fast", "where  --rate"]),
        (["http://h/", "--rate", "0"], ["rate above zero", "got    0", "where  --rate"]),
        (["http://h/", "--rate", "-5"], ["rate above zero", "got    -5", "where  --rate"]),
        (["http://h/", "--rate", "nan"], ["rate above zero", "got    nan"]),
        (
            ["http://h/", "--profile", "ramp 5 1s"],
            ["two rates", "got    5 1s", "where  --profile", "ramp FROM..TO TIME"],
        ),
        (["http://h/", "--profile", "5 1s", "--rate", "3"], ["a rate or a profile", "got    3", "where  --rate"]),
        (
            ["http://h/", "--profile", "5 1s", "--duration", "3s"],
            ["ends by itself", "where  --duration", "leave it out"],
        ),
        (["http://h/", "--think-time", "long"], ["a think time", "got    long", "where  --think-time", "0.5s..2s"]),
        (["http://h/", "--pacing", "0s"], ["above zero", "where  --pacing"]),
        (["http://h/", "--think-time", "1s", "--rate", "5"], ["closed model", "got    1s", "where  --think-time"]),
        (["http://h/", "--pacing", "500ms", "--rate", "5"], ["closed model", "got    500ms", "where  --pacing"]),
        (["http://h/", "--precise"], ["a rate or a profile", "where  --precise"]),
        (["http://h/", "--http2", "--no-keep-alive"], ["no HTTP/2", "where  --no-keep-alive"]),
        (["http://h/", "--streams", "5"], ["Expected --http2", "where  --streams"]),
        (["http://h/", "--tls-resume"], ["an https:// URL", "where  --tls-resume"]),
        (["http://h/", "--workers", "3", "--users", "2"], ["as many connections", "where  --connections"]),
        (
            ["http://h/", "--think-time", "1..3"],
            ["unit at both ends", "where  --think-time", "hint: 1s..3s are seconds"],
        ),
        (["http://h/", "--arrival", "sometimes"], ["constant or poisson", "got    sometimes", "where  --arrival"]),
        (["http://h/", "--connections", "0"], ["whole number", "where  --connections"]),
        (["http://h/", "--duration", "soon"], ["a duration", "got    soon", "where  --duration"]),
        (["http://h/", "--duration", "0s"], ["above zero", "where  --duration"]),
        (["http://h/", "--requests", "many"], ["whole number", "where  --requests"]),
        (["http://h/", "--timeout", "5 parsecs"], ["a duration", "where  --timeout"]),
        (["http://h/", "-X", "GET /"], ["a method", "where  --method"]),
        (["http://h/", "-H", "s3cret"], ["Name: value", "where  --header"]),
        (["http://h/", "-d", "@missing.json"], ["No such file", "missing.json", "where  --data"]),
        (["http://h/", "--expect-status", "fine"], ["statuses", "got    fine", "where  --expect-status"]),
        (["http://h/", "--fail-if", "p99>500"], ["with its unit", "where  --fail-if", 'hint: write "p99>500ms"']),
        (["http://h/", "--fail-if", "p98.9.9>5ms"], ["Expected a metric"]),
        (["http://h/", "--seed", "x"], ["whole number", "where  --seed"]),
        (["http://h/", "--output", "missing/a.json"], ["directory that exists", "hint: mkdir -p missing"]),
        (["http://h/", "--html", "."], ["this is a directory", "where  --html"]),
        (["http://h/", "--rat", "5"], ["no such option", "got    --rat", "hint: did you mean --rate?"]),
        (["http://h/", "--zzzzz"], ["no such option", "hint: `perfloop load --help`"]),
        (["http://h/", "--rate"], ["--rate", "hint: `perfloop load --help`"]),
        (["http://h/", "http://i/"], ["http://i/", "hint: `perfloop load --help`"]),
        ([], ["URL", "hint: `perfloop load --help`"]),
    ],
)
def test_wrong_options_of_load(here: Here, words: list[str], says: list[str]) -> None:
    run = here("load", *words)
    check(run, 2, *says)
    assert "s3cret" not in run.stderr


def test_a_wrong_command_suggests_the_nearest(here: Here) -> None:
    check(here("laod", "http://h/"), 2, "got    laod", "hint: did you mean `perfloop load`?")
    check(
        here("juggle"), 2, f"the commands are {', '.join(dict.fromkeys(entry.name.split()[0] for entry in COMMANDS))}"
    )
    check(here("--vresion"), 2, "hint: did you mean --version?")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[load]\nrat = 5\n", ["got    rat", "perfloop.toml: load.rat", "did you mean `load.rate`?"]),
        ("[load]\nrate = 'fast'\n", ["rate above zero", "got    fast", "where  perfloop.toml: load.rate"]),
        ("[load]\nrate = [5]\n", ["a string or a number", "got    [5]", "where  perfloop.toml: load.rate"]),
        ("[load]\njson = 1\n", ["true or false", "got    1", "where  perfloop.toml: load.json"]),
        ("timeout = 'x'\n", ["a duration", "where  perfloop.toml: timeout"]),
        ("[load]\nfail-if = ['p99']\n", ["a condition", "where  perfloop.toml: load.fail-if"]),
        ("[targets]\nlatency = 5\n", ["latency", "perfloop.toml: targets"]),
        ("[load\n", ["Expected TOML", "perfloop.toml"]),
        ("a = " + "[" * 5000, ["nested too deeply", "perfloop.toml"]),
        ("a = 1" + "0" * 5000, ["Expected TOML", "perfloop.toml"]),
        ("header = [['Authorization: s3cret']]", ["got    an array", "perfloop.toml: header"]),
        ("[load]\ndata = {token = 's3cret'}", ["got    a table", "perfloop.toml: load.data"]),
        ("[[load]]\ndata = 's3cret'", ["Expected a table", "got    an array", "perfloop.toml: load"]),
        ("[targets]\nrequests_per_second = 1" + "0" * 400, ["requests a second", "perfloop.toml: targets"]),
    ],
)
def test_a_wrong_configuration_names_the_key(here: Here, workplace: Path, text: str, says: list[str]) -> None:
    (workplace / "perfloop.toml").write_text(text)
    run = here("load", "http://127.0.0.1:9/")
    check(run, 2, *says)
    assert "s3cret" not in run.stderr
    help_text = here("load", "--help")
    assert help_text.returncode == 0, "a wrong configuration must not keep anybody from reading the help"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, ["record.json", "No such file"]),
        (b"", ["record.json", "Expected a perfloop record"]),
        (b"\xff\xfe\x00", ["record.json", "Expected a perfloop record"]),
        (b"not json", ["record.json", "Expected a perfloop record"]),
        (b"[]", ["record.json", "Expected a perfloop record"]),
        (b'{"schema_version": 1}', ["record.json", "Expected a perfloop record"]),
        (b'{"schema_version": 1, "kind": "load", "target": 5}', ["record.json", "Expected a perfloop record"]),
        (b"[" * 5000, ["record.json", "Expected a perfloop record"]),
        (b'{"schema_version": 1, "kind": "load", "target": ' + b"[" * 5000, ["Expected a perfloop record"]),
        (json.dumps({"schema_version": 1, "kind": "evil\x1b[31m"}).encode(), ["evil\ufffd[31m"]),
        (json.dumps({"schema_version": 99, "perfloop": "\x1b]0;x\x07"}).encode(), ["\ufffd]0;x\ufffd"]),
        (json.dumps({"schema_version": 99, "perfloop": "9.9"}).encode(), ["99", "record.json", "9.9", "upgrade"]),
    ],
)
@pytest.mark.parametrize("command", ["report", "compare"])
def test_an_unreadable_record(
    here: Here, workplace: Path, command: str, content: bytes | None, says: list[str]
) -> None:
    if content is not None:
        (workplace / "record.json").write_bytes(content)
    run = here(command, *["record.json"] * (2 if command == "compare" else 1))
    check(run, 2, *says, "record.json")
    assert "\x1b" not in run.stderr


def test_a_record_without_an_end(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfloop.records.storage._LARGEST", 2_000_000)
    check(here("report", "/dev/zero"), 2, "/dev/zero", "more than 2 MB")


def test_a_project_that_is_no_table(here: Here, workplace: Path) -> None:
    (workplace / "pyproject.toml").write_text("tool = 5\n")
    check(here("load", "http://127.0.0.1:9/"), 2, "Expected a table", "pyproject.toml: tool")


def test_one_form_on_stdout(here: Here) -> None:
    check(here("report", "record.json", "--json", "--markdown"), 2, "--json or --markdown")


@pytest.mark.parametrize(
    "words",
    [
        ["load", "ftp://127.0.0.1/"],
        ["load", "http://127.0.0.1/", "--rate", "fast"],
        ["report", "record.json"],
        ["compare", "record.json", "newer.json"],
    ],
)
def test_the_real_command_says_the_same(perfloop: Perfloop, here: Here, workplace: Path, words: list[str]) -> None:
    (workplace / "record.json").write_text("not json")
    real, same = perfloop(*words), here(*words)
    check(real, 2)
    assert (real.returncode, real.stderr) == (same.returncode, same.stderr)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], ["URL", "hint: `perfloop capacity --help`"]),
        (["ftp://127.0.0.1/"], ["http, https or http+unix"]),
        (["http://h/", "--target", "p99>1s"], ["must stay below", "got    p99>1s", "where  --target"]),
        (["http://h/", "--target", "rate<5"], ["latency or errors", "got    rate<5", "where  --target"]),
        (["http://h/", "--target", "errors<5"], ["a share of errors", "where  --target"]),
        (["http://h/", "--target", "p99<5"], ["with its unit", "where  --target"]),
        (["http://h/", "--precision", "much"], ["where  --precision"]),
        (["http://h/", "--precision", "0%"], ["a share above 0", "precision"]),
        (["http://h/", "--budget", "0s"], ["above zero", "where  --budget"]),
        (["http://h/", "--probe", "soon"], ["a duration", "where  --probe"]),
        (["http://h/", "--connections", "0"], ["whole number", "where  --connections"]),
        (["http://h/", "--fail-below", "much"], ["rate above zero", "where  --fail-below"]),
        (["http://h/", "--resume", "missing.json"], ["cannot be read", "missing.json"]),
        (["http://h/", "--report", "a.csv"], ["a form that a record of kind capacity has", "where  --report"]),
        (["http://h/", "-H", "s3cret"], ["Name: value", "where  --header"]),
    ],
)
def test_wrong_options_of_capacity(here: Here, words: list[str], says: list[str]) -> None:
    run = here("capacity", *words)
    check(run, 2, *says)
    assert "s3cret" not in run.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], ["COMMAND", "hint: `perfloop diagnose --help`"]),
        (["--fail-on", "n-plus-two", "--", "x"], ["a rule", "got    n-plus-two", "did you mean n-plus-one?"]),
        (["--request", "orders", "--", "x"], ["Expected a request", "got    orders", "where  --request"]),
        (["--header", "A: b", "--", "x"], ["Expected --request beside --header"]),
        (["--duration", "soon", "--", "x"], ["a duration", "where  --duration"]),
        (["--startup-timeout", "0s", "--", "x"], ["above zero", "where  --startup-timeout"]),
        (["--output", "missing/a.json", "--", "x"], ["directory that exists"]),
        (["--duration", "", "--", "x"], ["a duration", "where  --duration"]),
        (["--request", 'GTE /x?token=s3cret {"pw": "s3cret"}', "--", "x"], ["a method", "got    GTE /x?token=*** ***"]),
        (["--ready", "u:s3cret@h/?token=s3cret", "--", "true"], ["Expected a URL", "got    ***@h/?token=***"]),
        (["--", "/bin/x --password=s3cret"], ["a program", "got    /bin/x --password=***"]),
        (["--reqest", "GET /", "--", "x"], ["no such option", "did you mean --request?"]),
    ],
)
def test_wrong_options_of_diagnose(here: Here, words: list[str], says: list[str]) -> None:
    run = here("diagnose", *words)
    check(run, 2, *says)
    assert "s3cret" not in run.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], ["two records, or --cmd twice"]),
        (["a.json"], ["two records, or --cmd twice", "got    a.json"]),
        (["a.json", "b.json", "c.json"], ["two records", "got    a.json b.json c.json"]),
        (["a.json", "b.json", "--cmd", "x"], ["got both"]),
        (["--cmd", "x"], ["--cmd twice", "got    it once"]),
        (["--cmd", "x", "--cmd", "A=1"], ["Expected a command", "got    A=1", "where  --cmd"]),
        (["--cmd", "x --password 's3cret", "--cmd", "y"], ["Expected a command", "got    ***", "where  --cmd"]),
        (["--cmd", "x", "--cmd", "y", "--runs", "0"], ["whole number", "where  --runs"]),
        (["--cmd", "x", "--cmd", "y", "--request", "z"], ["Expected a request", "where  --request"]),
    ],
)
def test_wrong_options_of_compare(here: Here, words: list[str], says: list[str]) -> None:
    check(here("compare", *words), 2, *says)


def test_http2_of_a_service_that_does_not_speak_it(perfloop: Perfloop, service: str) -> None:
    run = perfloop("load", f"{service}/", "--http2", "--requests", "4")
    check(run, 2, "no HTTP/2", service.removeprefix("http://"), "leave out --http2")
