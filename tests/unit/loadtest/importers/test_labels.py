from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perfloop.loadtest.importers.labels import MOST_LABELS, OTHER, templated_labels


def labels(*targets: str, most: int = MOST_LABELS) -> list[str]:
    return templated_labels([("GET", target) for target in targets], [1] * len(targets), most)


def test_what_identifies_one_thing_becomes_a_template() -> None:
    assert labels(
        "/items/123?x=1",
        "/users/6fa459ea-ee8a-3ca4-894e-db77e160355e/orders/7/",
        "/days/2026-11-25",
        "/blobs/d41d8cd98f00b204e9800998ecf8427e",
        "/v2/items",
        "/",
        "*",
    ) == [
        "GET /items/{id}",
        "GET /users/{uuid}/orders/{id}/",
        "GET /days/{date}",
        "GET /blobs/{hash}",
        "GET /v2/items",
        "GET /",
        "GET *",
    ]


def test_methods_are_kept_apart() -> None:
    assert templated_labels([("GET", "/a/1"), ("POST", "/a/2")], [1, 1]) == ["GET /a/{id}", "POST /a/{id}"]


def test_names_become_a_template_where_there_are_too_many() -> None:
    found = labels(*(f"/users/name{number}x/orders" for number in range(10_000)), "/about", "/users/me")
    assert set(found) == {"GET /users/{any}/orders", "GET /users/{any}", "GET /about"}


def test_what_is_left_over_is_called_other() -> None:
    targets = [f"/{'/'.join(format(number, '09b'))}".replace("0", "a").replace("1", "b") for number in range(512)]
    found = templated_labels([("GET", target) for target in targets], list(range(512)), 10)
    assert len(set(found)) == 10
    assert found.count(OTHER) == 503
    assert found[-1] == f"GET {targets[-1]}", "the most frequent keep their own"


@given(
    st.lists(
        st.lists(st.sampled_from("abcde0123456789"), min_size=1, max_size=6).map(lambda parts: "/" + "/".join(parts)),
        min_size=1,
        max_size=200,
    ),
    st.integers(2, 12),
)
def test_labels_are_few_and_always_the_same(targets, most) -> None:
    found = labels(*targets, most=most)
    assert len(found) == len(targets)
    assert len(set(found)) <= most
    assert found == labels(*targets, most=most)
