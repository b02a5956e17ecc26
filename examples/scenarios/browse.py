"""What visitors of the shop do: perfloop load http://127.0.0.1:8000 --scenario browse.py."""

from __future__ import annotations

from perfloop.loadtest import User, journey


async def setup(user: User) -> None:
    """Once for each user, before the run."""
    user.page = 1


@journey(weight=3)
async def browse(user: User) -> None:
    """Look at the catalogue."""
    response = await user.get("/products?page={page}", page=user.page)
    user.check(response.json(), "there are products")


@journey()
async def look_up_an_order(user: User) -> None:
    """Find an order and read it."""
    with user.group("orders"):
        orders = await user.get("/orders?page=1")
        order = orders.json()["orders"][0]
        response = await user.get("/orders/{id}", id=order["id"])
    assert response.ok, f"order {order['id']} was answered with {response.status}"
