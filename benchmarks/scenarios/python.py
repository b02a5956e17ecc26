"""What locust_user.py does, with a templated path."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfloop.loadtest import User


async def index(user: User) -> None:
    """One request."""
    await user.get("/items/{id}", id=3)
