"""The agent inside real services: routes, places in the code, statements, and parts that sum to the wall time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .conftest import SERVICES, get, of_route

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfloop.monitoring import Observations, RequestTrace, Service

    Start = Callable[..., Service]

UVICORN = ("--port", "0", "--log-level", "warning")


def places(observations: Observations, request: RequestTrace, sql: str) -> set[tuple[str, str]]:
    """Innermost user frame (file name, function) of the request's statements with this fingerprint."""
    return {
        (observations.sites[call.site][0].file.rpartition("/")[2], observations.sites[call.site][0].function)
        for call in request.statements
        if observations.statements[call.statement] == sql
    }


def held_up(request: RequestTrace) -> float:
    """Seconds in which it did not run though it could. On a busy machine what waits begins to wait later by as much."""
    return sum(request.parts.get(part, 0.0) for part in ("interpreter_wait", "event_loop_wait", "unaccounted"))


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
async def test_fastapi(service: Start, loop: str) -> None:
    targets = (
        "/orders/5 /async-orders /blocking /computing /gathered /child /streamed /api/routed/x /mounted/deep/x /nowhere"
    )
    async with service("uvicorn", "fastapi_app:app", "--loop", loop, *UVICORN) as running:
        statuses = [status for status, _ in await get(running, *targets.split(), number=2**63 + 5)]
        observations = await running.observations()
    assert statuses == [200] * 9 + [404]
    assert observations.dropped == 0

    orders = of_route(observations, "/orders/{count}")
    assert (orders.method, orders.status, orders.span, orders.is_async) == ("GET", 200, 2**63 + 5, False)
    assert orders.handler is not None
    assert (orders.handler.file, orders.handler.function) == (str(SERVICES / "fastapi_app.py"), "list_orders")
    sql = "SELECT * FROM item WHERE order_id = ?"
    calls = [call for call in orders.statements if observations.statements[call.statement] == sql]
    assert [call.rows for call in calls] == [100] * 5
    assert not any(call.on_loop for call in calls)
    assert places(observations, orders, sql) == {("fastapi_app.py", "list_orders")}
    assert orders.parts["database"] >= sum(call.duration for call in calls) * 0.9
    assert orders.parts["cpu"] > 0

    awaited = of_route(observations, "/async-orders")
    assert awaited.is_async
    sql = "SELECT name FROM item WHERE id < ?"
    assert places(observations, awaited, sql) == {("fastapi_app.py", "async_orders")}
    assert not any(call.on_loop for call in awaited.statements)
    assert awaited.parts["database"] > 0

    blocking = of_route(observations, "/blocking")
    assert blocking.parts["blocking"] >= 0.04
    computing = of_route(observations, "/computing")
    assert computing.parts["cpu"] >= 0.035
    steps = {step.route: step for step in observations.long_steps}
    assert steps["/blocking"].wall >= 0.04 > 0.03 > steps["/blocking"].cpu
    assert steps["/computing"].cpu >= 0.035

    gathered = of_route(observations, "/gathered")
    # Three waits of 30 ms beside each other count once.
    waited = gathered.parts["sleep"] + gathered.parts["blocking"]
    assert 0.025 - held_up(gathered) < waited <= gathered.ended - gathered.started
    child = of_route(observations, "/child")
    assert child.parts["cpu"] >= 0.009
    streamed = of_route(observations, "/streamed")
    assert streamed.parts["sleep"] >= 0.01 - held_up(streamed)
    assert streamed.ended - streamed.first_byte >= 0.005
    assert of_route(observations, "/api/routed/{name}").status == 200
    assert of_route(observations, "/mounted/deep/{name}").status == 200
    assert {request.status for request in observations.requests if request.route == "(unmatched)"} == {404}


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
async def test_long_steps_have_the_stack_they_were_sampled_with(service: Start, loop: str) -> None:
    def sampled(observations: Observations, route: str) -> set[str]:
        return {frame.function for step in observations.long_steps if step.route == route for frame in step.stack}

    async with service("uvicorn", "fastapi_app:app", "--loop", loop, *UVICORN) as running:
        # A step lasts 40 ms: on a busy machine the sampler's thread may have no turn in it, and gets another step.
        for _ in range(50):
            await get(running, "/blocking", "/computing")
            observations = await running.observations()
            functions = {route: sampled(observations, route) for route in ("/blocking", "/computing")}
            computed = [each for each in observations.stacks if each.route == "/computing" and each.cpu_seconds > 0]
            # Nor is it the handler alone that a busy machine holds up: other steps are long as well then.
            seen = "blocking" in functions["/blocking"] and "computing" in functions["/computing"]
            if seen and computed:
                break
    assert seen
    assert computed


async def test_work_after_the_response_and_failures_are_told_apart(service: Start) -> None:
    async with service("uvicorn", "fastapi_app:app", *UVICORN, env={"TEST_MIDDLEWARE": "1"}) as running:
        answers = await get(running, "/background", "/broken", "/orders/1")
        observations = await running.observations()
    assert [status for status, _ in answers] == [200, 500, 200]
    background = of_route(observations, "/background")
    assert background.ended - background.started < 0.3
    broken = of_route(observations, "/broken")
    assert broken.status == 500
    # The middleware runs the rest of the application in a task of its own: still this request's.
    orders = of_route(observations, "/orders/{count}")
    assert orders.statements
    assert orders.parts["database"] > 0


async def test_waiting_for_others(service: Start) -> None:
    async with service("uvicorn", "fastapi_app:app", *UVICORN) as running:
        assert [status for status, _ in await get(running, "/upstream", "/outside")] == [200, 200]
        observations = await running.observations()
    assert of_route(observations, "/upstream").parts["upstream"] >= 0.02
    assert of_route(observations, "/slow-answer").parts["sleep"] >= 0.01
    assert of_route(observations, "/outside").parts["blocking"] >= 0.02


async def test_starlette_with_the_async_sqlalchemy_engine(service: Start) -> None:
    async with service("uvicorn", "starlette_app:app", *UVICORN) as running:
        answers = await get(running, "/items", "/in-greenlet", "/under/me/sync/x")
        observations = await running.observations()
    assert [status for status, _ in answers] == [200] * 3
    items = of_route(observations, "/items")
    assert places(observations, items, "SELECT id FROM item WHERE id <= ?") == {("starlette_app.py", "items")}
    inside = of_route(observations, "/in-greenlet")
    found = places(observations, inside, "SELECT id FROM item WHERE id <= ?")
    assert found == {("starlette_app.py", "query_inside")}
    mounted = of_route(observations, "/under/me/sync/{name}")
    assert not mounted.is_async


async def test_raw_asgi(service: Start) -> None:
    async with service("uvicorn", "raw_asgi:app", *UVICORN) as running:
        assert (await get(running, "/anything", number=9))[0][0] == 204
        observations = await running.observations()
    assert [(each.route, each.status) for each in observations.requests if each.span == 9] == [("(unmatched)", 204)]


async def test_flask(service: Start) -> None:
    async with service("gunicorn", "flask_app:app", "--bind", "127.0.0.1:0", "--log-level", "warning") as running:
        answers = await get(running, "/purchases/4", "/page", "/slow", "/streamed", "/broken", number=3)
        observations = await running.observations()
    assert [status for status, _ in answers] == [200, 200, 200, 200, 500]
    assert answers[3][1] == b"piece" * 3
    purchases = of_route(observations, "/purchases/<int:count>")
    assert purchases.span == 3
    assert purchases.handler is not None
    assert purchases.handler.function == "purchases"
    # The purchases by one statement, the items of each by one more.
    lazy = [call for call in purchases.statements if "FROM item" in observations.statements[call.statement]]
    assert len(lazy) == 4
    assert {observations.sites[call.site][0].file for call in lazy} == {str(SERVICES / "flask_app.py")}
    assert [call.rows for call in lazy] == [100] * 4
    assert purchases.parts["database"] > 0
    page = of_route(observations, "/page")
    innermost = {observations.sites[call.site][0] for call in page.statements}
    template = next(frame for frame in innermost if frame.file.endswith("page.html"))
    assert template.line == 3
    assert of_route(observations, "/slow").parts["blocking"] >= 0.02
    streamed = of_route(observations, "/streamed")
    assert streamed.parts["blocking"] >= 0.01
    assert of_route(observations, "/broken").status == 500


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
async def test_django(service: Start, interface: str) -> None:
    command = ("uvicorn", "django_app:asgi", *UVICORN)
    if interface == "wsgi":
        command = ("gunicorn", "django_app:wsgi", "--bind", "127.0.0.1:0", "--log-level", "warning")
    async with service(*command) as running:
        answers = await get(running, "/items/3", "/async-items", "/nested/rename/7")
        observations = await running.observations()
    assert [status for status, _ in answers] == [200] * 3
    items = of_route(observations, "/items/<int:count>")
    counted = [observations.statements[call.statement] for call in items.statements].count(
        'SELECT COUNT(*) AS "__count" FROM "item" WHERE "item"."order_id" = ?'
    )
    assert counted == 3
    assert {observations.sites[call.site][0].function for call in items.statements} & {"items", "<listcomp>"}
    assert items.parts["database"] > 0
    assert not items.is_async
    assert of_route(observations, "/async-items").is_async == (interface == "asgi") or interface == "wsgi"
    rename = of_route(observations, "/nested/rename/<int:number>")
    assert "COMMIT" in {observations.statements[call.statement] for call in rename.statements}
    assert rename.handler is not None
    assert max(sample.commits for sample in observations.resources) >= 1
