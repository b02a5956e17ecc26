"""Resets a connection of this process, whichever server it belongs to."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys

import psutil

from ...exceptions import ConfigurationError

__all__ = ["reset_connection"]


def reset_connection(host: str, port: int) -> None:
    """Have the peer at that address see "connection reset by peer".

    Neither ASGI nor WSGI knows the connection, so it is found by its peer. Its server then sees it closed.

    Raises:
        ConfigurationError: no connection of this process has that peer, or the system cannot do it.
    """
    descriptors = [
        each.fd for each in psutil.Process().net_connections("tcp") if each.raddr and tuple(each.raddr) == (host, port)
    ]
    if not descriptors:
        raise ConfigurationError(
            "Expected a connection of this process with the client",
            got=f"{host}:{port}",
            where="fault reset",
            hint="put the middleware outermost, and no proxy or its headers before the server",
        )
    if sys.platform != "linux":
        raise ConfigurationError("Expected Linux to reset a connection", got=sys.platform, where="fault reset")
    for descriptor in descriptors:
        with socket.socket(fileno=os.dup(descriptor)) as connection:
            # connect(2): AF_UNSPEC dissolves the association, which for TCP sends a reset. Python's connect cannot.
            nowhere = struct.pack("=H14x", socket.AF_UNSPEC)
            if ctypes.CDLL(None, use_errno=True).connect(connection.fileno(), nowhere, len(nowhere)):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
