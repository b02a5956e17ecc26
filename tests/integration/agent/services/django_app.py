"""Django in one file, WSGI and ASGI, its ORM on SQLite."""

from __future__ import annotations

import os

import django
from django.conf import settings

settings.configure(
    DEBUG=False,
    SECRET_KEY="not secret",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["TEST_DATABASE"]}},
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import models, transaction  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.views import View  # noqa: E402


class Item(models.Model):
    order_id = models.IntegerField()
    name = models.TextField()

    class Meta:
        app_label = "shop"
        db_table = "item"


def items(request, count):
    return JsonResponse({"found": [Item.objects.filter(order_id=order).count() for order in range(count)]})


async def async_items(request):
    return JsonResponse({"found": [item.name async for item in Item.objects.filter(id__lt=5)]})


class Rename(View):
    def get(self, request, number):
        with transaction.atomic():
            return JsonResponse({"changed": Item.objects.filter(id=number).update(name="renamed")})


urlpatterns = [
    path("items/<int:count>", items),
    path("async-items", async_items),
    path("nested/", include([path("rename/<int:number>", Rename.as_view())])),
]

wsgi = get_wsgi_application()
asgi = get_asgi_application()
