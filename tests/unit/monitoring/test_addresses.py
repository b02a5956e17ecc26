from __future__ import annotations

import pytest

from perfloop.monitoring.addresses import is_server_program, named_addresses
from perfloop.monitoring.listening import Listener


@pytest.mark.parametrize(
    ("command", "ports", "paths"),
    [
        ("uvicorn shop:app --port 8120", {8120}, set()),
        ("uvicorn shop:app --port=8120 --host 0.0.0.0", {8120}, set()),
        ("uvicorn shop:app --port 0", set(), set()),
        ("uvicorn shop:app", set(), set()),
        ("uvicorn shop:app --uds /run/shop.sock", set(), {"/run/shop.sock"}),
        ("gunicorn -b 127.0.0.1:8000 -b [::1]:8001 shop:app", {8000, 8001}, set()),
        ("gunicorn -b:8000 shop:app", set(), set()),
        ("gunicorn --bind unix:/run/shop.sock shop:app", set(), {"/run/shop.sock"}),
        ("gunicorn --bind=0.0.0.0:8000 shop:app", {8000}, set()),
        ("flask run -p 5001", {5001}, set()),
        ("flask run -p5001", {5001}, set()),
        ("waitress-serve --listen=*:8080 shop:app", {8080}, set()),
        ("python manage.py runserver 8001", {8001}, set()),
        ("python manage.py runserver --noreload 0.0.0.0:8001", {8001}, set()),
        ("python -m pytest -p plugin --port", set(), set()),
        ("python serve.py --db-port 5432", set(), set()),
    ],
)
def test_what_a_command_names(command: str, ports: set[int], paths: set[str]) -> None:
    named = named_addresses(command.split())
    assert (named.ports, named.paths) == (ports, paths)
    assert bool(named) is bool(ports or paths)


def test_a_listener_is_named_by_port_or_path() -> None:
    named = named_addresses(["gunicorn", "-b", "127.0.0.1:8000", "-b", "unix:/run/x.sock"])
    assert named.holds(Listener(8000, "127.0.0.1"))
    assert named.holds(Listener(0, "", "/run/x.sock"))
    assert not named.holds(Listener(9377, "127.0.0.1"))
    assert not named.holds(Listener(0, "", "/run/y.sock"))


@pytest.mark.parametrize(
    ("command", "known"),
    [
        ("uvicorn shop:app", True),
        ("/venv/bin/gunicorn shop:app", True),
        ("/usr/bin/python3 /venv/bin/uvicorn shop:app", True),
        ("python -m hypercorn shop:app", True),
        ("python manage.py runserver", True),
        ("python serve.py", False),
        ("true", False),
    ],
)
def test_known_servers(command: str, known: bool) -> None:
    assert is_server_program(command.split()) is known
