"""The shop in Django, on the same SQLite file."""

from __future__ import annotations

from pathlib import Path

import django
from django.conf import settings

__all__ = ["Customer", "Item", "Product", "Purchase", "configure"]

HERE = Path(__file__).parent


def configure(file: Path) -> None:
    """Set Django up for a database file; later files replace it."""
    if not settings.configured:
        settings.configure(
            INSTALLED_APPS=[],
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file)}},
            TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [HERE / "templates"]}],
        )
        django.setup()
    from django.db import connections

    connections.close_all()
    connections["default"].settings_dict["NAME"] = str(file)


configure(Path(":memory:"))

from django.db import models  # noqa: E402


class Customer(models.Model):  # type: ignore[misc]
    """Who buys."""

    name = models.TextField()

    class Meta:
        app_label = "shop"
        db_table = "customer"


class Product(models.Model):  # type: ignore[misc]
    """What is bought."""

    name = models.TextField()
    parent = models.ForeignKey("self", models.CASCADE, null=True)

    class Meta:
        app_label = "shop"
        db_table = "product"


class Purchase(models.Model):  # type: ignore[misc]
    """What was bought at once."""

    customer = models.ForeignKey(Customer, models.CASCADE)
    state = models.TextField(default="new")
    total = models.IntegerField(default=7)

    class Meta:
        app_label = "shop"
        db_table = "purchase"


class Item(models.Model):  # type: ignore[misc]
    """One line of a purchase."""

    purchase = models.ForeignKey(Purchase, models.CASCADE, related_name="items")
    product = models.ForeignKey(Product, models.CASCADE)
    quantity = models.IntegerField()

    class Meta:
        app_label = "shop"
        db_table = "item"
