from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from perfloop.monitoring.objectives import Objective, ObjectiveMonitor, Objectives, requests_of
from perfloop.monitoring.resources import Use
from perfloop.targets import Targets
from perfloop.telemetry import Registry

if TYPE_CHECKING:
    from pathlib import Path

    from perfloop.telemetry import Family, Histogram

NAME = "http.server.request.duration"


class Service:
    def __init__(self) -> None:
        self.registry = Registry()
        self.now = 1000.0
        self.duration: Family[Histogram] = self.registry.histogram(
            NAME, "Duration.", labels=["http.route", "http.response.status_code"]
        )
        self.objectives = Objectives(Targets())

    def serve(self, seconds: float, count: int, status: int = 200, route: str = "/") -> None:
        for _ in range(count):
            self.duration.labels(route, status).observe(seconds)

    def judge(self, *uses: Use, after: float = 10.0) -> dict[str, Objective]:
        self.now += after
        found = self.objectives.update(self.now, requests_of(self.registry.read(NAME)), uses)
        return {objective.name: objective for objective in found}


@pytest.fixture
def service() -> Service:
    return Service()


def test_latency_is_judged_by_the_last_five_minutes(service: Service) -> None:
    service.judge()
    service.serve(0.2, 100)
    found = service.judge()
    assert found["latency_p99"].result.outcome == "met"
    assert found["latency_p99"].result.measured == pytest.approx(200, rel=0.023)
    assert found["latency_p50"].result.outcome == "missed"
    for _ in range(35):
        service.serve(0.01, 10)
        found = service.judge()
    assert found["latency_p50"].result.measured == pytest.approx(10, rel=0.023), "what was before is past"


def test_nothing_measured_is_said_so(service: Service) -> None:
    found = service.judge()
    assert {objective.result.outcome for objective in found.values()} == {"not measured"}
    assert all(objective.burning is None for objective in found.values())
    assert list(found) == [
        *("latency_p50", "latency_p95", "latency_p99"),
        *("requests_per_second", "transactions_per_second", "bytes_per_second", "cpu", "memory", "disk"),
    ]


def test_requests_that_are_too_slow_burn_the_budget(service: Service) -> None:
    service.serve(0.01, 1)
    service.judge()
    for _ in range(30):
        service.serve(0.01, 80)
        service.serve(3.0, 20)
        found = service.judge()
    # One in five is slower than 1 s, and one in a hundred may be.
    assert found["latency_p99"].budget == 0.01
    assert [burn.long for burn in found["latency_p99"].burns] == pytest.approx([20, 20])
    assert found["latency_p99"].burning == "fast"
    assert found["latency_p50"].burning is None


def test_a_request_that_failed_is_not_fast(service: Service) -> None:
    service.serve(0.01, 1)
    service.judge()
    service.serve(0.001, 50, status=200)
    service.serve(0.001, 50, status=404, route="/missing")
    service.serve(0.001, 100, status=503)
    found = service.judge()
    assert found["latency_p99"].burns[0].long == pytest.approx(50)
    assert found["latency_p99"].result.measured == pytest.approx(1, rel=0.03), "of those that were answered"


def test_a_target_between_two_bounds_is_as_exact_as_a_cell(service: Service) -> None:
    service.serve(0.999, 1)
    service.serve(1.0, 1)
    service.serve(1.023, 1)
    requests = requests_of(service.registry.read(NAME))
    assert requests is not None
    assert (requests.slower(1.0), requests.total) == (1, 3)


def test_resources_burn_their_share_of_the_time(service: Service) -> None:
    for turn in range(100):
        share = 0.9 if turn % 2 else 0.1
        found = service.judge(Use(resource="processors", utilisation=share), Use(resource="disk"))
    assert found["cpu"].result.outcome == "missed"
    assert found["cpu"].budget == 0.05
    assert found["cpu"].burns[0].long == pytest.approx(10, rel=0.02)
    assert found["cpu"].burning == "slow"
    assert found["disk"].result.outcome == "not measured"


def test_a_rate_is_what_was_asked_for(service: Service) -> None:
    service.serve(0.01, 1)
    service.judge()
    service.serve(0.01, 1000)
    found = service.judge()
    assert found["requests_per_second"].result.measured == pytest.approx(100)
    assert found["requests_per_second"].result.outcome == "not measured"
    assert found["requests_per_second"].budget is None


def test_a_target_that_is_not_set_is_not_judged() -> None:
    objectives = Objectives(Targets(latency_p50=None, cpu=None))
    found = objectives.update(1.0, requests_of(None), [Use(resource="processors", utilisation=1.0)])
    assert not {objective.name for objective in found} & {"latency_p50", "cpu"}


@pytest.mark.parametrize("after", [-500.0, 0.0, 1e9])
def test_a_clock_that_jumps_claims_nothing(service: Service, after: float) -> None:
    for _ in range(10):
        service.serve(0.01, 100)
        service.judge()
    service.serve(0.01, 100)
    found = service.judge(after=after)
    assert all(objective.burning is None for objective in found.values())
    service.serve(5.0, 100)
    assert service.judge()["latency_p99"].result.measured is not None


def test_burn_rates_are_published() -> None:
    service = Service()
    monitor = ObjectiveMonitor(Targets(), service.registry)
    monitor.judge()
    service.serve(3.0, 20)
    monitor.judge()
    family = service.registry.read("perfloop.objective.burn_rate")
    assert family is not None
    rates = {series.labels: series.value for series in family.series}
    assert rates["latency_p99", "fast"] == rates["latency_p99", "slow"] == pytest.approx(100)


def test_the_monitor_judges_by_itself_and_tells() -> None:
    service, told, said = Service(), [], threading.Event()

    def tell(objectives: list[Objective]) -> None:
        told.append(objectives)
        said.set()

    uses = [Use(resource="memory", utilisation=0.99)]
    with ObjectiveMonitor(Targets(), service.registry, uses=lambda: uses, tell=tell, interval=0.001) as monitor:
        assert said.wait(30)
        monitor.start()
    monitor.stop()
    assert {each.name: each.result.outcome for each in told[0]}["memory"] == "missed"
    assert monitor.objectives()


def test_one_of_several_processes_tells(tmp_path: Path) -> None:
    told: list[int] = []
    monitors = [
        ObjectiveMonitor(Targets(), Registry(directory=tmp_path), tell=lambda _, number=number: told.append(number))  # type: ignore[misc]
        for number in range(2)
    ]
    for _ in range(2):
        for monitor in monitors:
            assert monitor.judge()
    assert told == [0, 0]


def test_what_the_callbacks_raise_is_said_once_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    third = threading.Semaphore(0)

    def tell(_: list[Objective]) -> None:
        third.release()
        raise RuntimeError("broken")

    with ObjectiveMonitor(Targets(), Registry(), tell=tell, interval=0.001):
        for _ in range(3):
            assert third.acquire(timeout=30)
    assert [record.message for record in caplog.records] == ["perfloop-objectives failed, and goes on"]
