"""The user of the locust peer: the fast HTTP client, no waiting."""

from __future__ import annotations

from locust import FastHttpUser, constant, task


class Browser(FastHttpUser):
    """Requests one page after the other."""

    wait_time = constant(0)

    @task
    def index(self) -> None:
        """One request."""
        self.client.get("/")
