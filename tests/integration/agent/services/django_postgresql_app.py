"""Django's ORM on PostgreSQL."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import django
from django.conf import settings

_URL = urlsplit(os.environ["TEST_POSTGRESQL"])
settings.configure(
    SECRET_KEY="not secret",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": _URL.path.strip("/"),
            "USER": _URL.username,
            "HOST": _URL.hostname,
            "PORT": _URL.port,
        }
    },
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import models, transaction  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402


class Item(models.Model):
    order_id = models.IntegerField()
    name = models.TextField()

    class Meta:
        app_label = "shop"
        db_table = "item"


def items(request, count):
    return JsonResponse({"found": [len(Item.objects.filter(order_id=order)) for order in range(1, count + 1)]})


def rename(request):
    with transaction.atomic():
        return JsonResponse({"changed": Item.objects.filter(id=7).update(name="renamed")})


def walk(request):
    return JsonResponse({"seen": sum(1 for _ in Item.objects.filter(order_id__lte=2).iterator())})


urlpatterns = [path("items/<int:count>", items), path("rename", rename), path("walk", walk)]
wsgi = get_wsgi_application()
