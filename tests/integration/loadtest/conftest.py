"""The engine on both event loops."""

from __future__ import annotations

import datetime
import itertools
import json
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from perfloop.loadtest import PythonScenario, read_scenario

from .serving import load_here, load_in_thread

if TYPE_CHECKING:
    from pathlib import Path

SCRIPTS = itertools.count()


@pytest.fixture(params=[load_here, load_in_thread], ids=["asyncio", "uvloop"])
def load(request):
    return request.param


class ServiceProcess:
    """A service of service.py; `seen()` asks it what it saw."""

    def __init__(self, delays: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.loadtest.service", delays], stdout=subprocess.PIPE, text=True
        )
        self.pid = self.process.pid
        self.url = f"http://127.0.0.1:{self.process.stdout.readline().strip()}/"

    def seen(self) -> list[tuple[float, float]]:
        """The arrival (on the clock both share) of each request and how long it took, in order of arrival."""
        with urllib.request.urlopen(f"{self.url}seen", timeout=10) as response:
            return json.load(response)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def service():
    """Starts services with the delays asked for."""
    started: list[ServiceProcess] = []

    def start(delays: str = "none") -> ServiceProcess:
        started.append(ServiceProcess(delays))
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for localhost, as a file with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a scenario in Python and reads it."""
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> PythonScenario:
        name = f"script{next(SCRIPTS)}.py"
        (tmp_path / name).write_text(text)
        scenario = read_scenario(name)
        assert isinstance(scenario, PythonScenario)
        return scenario

    return write
