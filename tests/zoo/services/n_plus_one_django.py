"""Django: the customer of each order, by its foreign key, in a loop."""

from __future__ import annotations

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

from ._database import database

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": database("n_plus_one_django"), "CONN_MAX_AGE": 60}
    },
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    ROOT_URLCONF=__name__,
    SECRET_KEY="zoo",
    USE_TZ=True,
)
django.setup()

from django.db import models  # noqa: E402


class Customer(models.Model):
    name = models.TextField()

    class Meta:
        app_label = "zoo"
        db_table = "customers"
        managed = False


class Order(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)

    class Meta:
        app_label = "zoo"
        db_table = "orders"
        managed = False


def list_orders(request):
    names = []
    for order in Order.objects.all()[:60]:
        names.append(order.customer.name)  # PLANTED
    return JsonResponse({"names": names})


urlpatterns = [path("orders", list_orders)]
app = get_wsgi_application()
