"""The engine of scenarios with users: each user is a task with a connection of its own, woken by its responses.

The schedule, the open and closed model, the watch over the generator and the end of the run are the plain engine's.
There a connection sends the next request; here a user begins its next iteration: a journey, or a call of a scenario's
function. In the open model iterations are due at their times, and the latency of the first request counts from there.
"""

from __future__ import annotations

import asyncio
import gc
import math
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from msgspec.structs import replace

from ...exceptions import ConfigurationError, MissingExtra
from .. import failures
from ..recording import TIMEOUT_STATUS
from ..ticker import PERIOD
from .feeding import FeederRanOut
from .journeys import JourneyEnded
from .programming import described, first_step, forget_cancellation
from .sending import SendingEngine
from .session import End
from .signal import Driven
from .user import RequestFailed, User

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ..options import LoadOptions
    from ..outcome import LoadOutcome, OnProgress
    from .capturing import CapturingConnection
    from .endpoint import Endpoints

__all__ = ["Behaviour", "Script", "UserEngine"]

_NEVER = math.inf
_SETUP_SECONDS = 60.0
# What an iteration without a request costs: without a pause it would keep the event loop to itself.
_EMPTY_PAUSE = 0.01
_LOOK_EVERY = 5e-3
_monotonic = time.monotonic


class Behaviour(NamedTuple):
    """Something users do again and again."""

    name: str
    weight: float
    run: Callable[[User], Coroutine[Any, Any, object]]


class Script(NamedTuple):
    """What users do in proportion to its weights, before the run, and after it."""

    behaviours: tuple[Behaviour, ...]
    setup: Callable[[User], Coroutine[Any, Any, object]] | None = None
    teardown: Callable[[User], Coroutine[Any, Any, object]] | None = None
    cookies: bool = True


class UserEngine(SendingEngine):
    """One run of a scenario.

    Args:
        endpoints: those that the script has named, for the target.
    """

    def __init__(
        self, options: LoadOptions, endpoints: Endpoints, script: Script, on_progress: OnProgress | None = None
    ) -> None:
        # Where iterations are counted that never came to their first request.
        never_sent = [endpoints.add(behaviour.name, "") for behaviour in script.behaviours]
        super().__init__(options, endpoints, on_progress)
        self.keeps_cookies = script.cookies
        self._script = script
        self._choice = options.turns([behaviour.weight for behaviour in script.behaviours])
        self._order = (never_sent[index] for index in self._choice)
        self._waiting: deque[User] = deque()
        """Users that have nothing to do, longest first."""
        self._active = 0
        self._unmeasured = 0

    async def run(self, stop: asyncio.Event | None = None) -> LoadOutcome:
        """As the plain engine's, with the setup before and the teardown after.

        Raises:
            ConfigurationError: a setup failed, or a unique feeder that must not ran out.
            UnreachableTarget: a connection cannot be opened before the clock starts.
        """
        # The plain engine makes no cycles, and is left alone by the collector; code of users does.
        collecting = gc.isenabled()
        gc.enable()
        try:
            outcome = await super().run(stop)
        finally:
            if not collecting:
                gc.disable()
        outcome.unmeasured = self._unmeasured
        outcome.results = replace(
            outcome.results,
            groups=self.groups.results(),
            error_kinds=[*outcome.results.error_kinds, *self.teardown_failures.kinds()],
        )
        return outcome

    # Before the run.

    async def _open(self) -> None:
        # As the plain engine: in the open model the others are opened when they are needed.
        count = self.options.connections
        self._live.update(await self._connector.open_all(count if self._arrival is None else 1))
        part = self.options.part
        self.users = [User(self, part.index + number * part.count, self._loop) for number in range(count)]
        for user, connection in zip(self.users, cast("set[CapturingConnection]", self._live), strict=False):
            connection.user, user.connection = user, connection
        if self._script.setup is not None:
            await self._set_up(self._script.setup)
            # What the setups requested is no part of the measurement.
            self._unmeasured = self.numbered
            self._use_recorder()
            self.events = failures.FailureTally()

    async def _set_up(self, setup: Callable[[User], Coroutine[Any, Any, object]]) -> None:
        tasks = [asyncio.ensure_future(_without_exit(setup(user))) for user in self.users]
        try:
            async with asyncio.timeout(_SETUP_SECONDS):
                await asyncio.gather(*tasks)
        except TimeoutError:
            raise ConfigurationError(f"Expected the setup of every user to end within {_SETUP_SECONDS:g} s") from None
        except (ConfigurationError, MissingExtra):
            raise
        except Exception as error:
            raise ConfigurationError(f"The setup of a user failed: {described(error)}") from error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for user in self.users:
                _hang_up(user)

    # The life of a user.

    def _begin_sending(self, start: float) -> None:
        if self.options.lasts is not None:
            self._cut_at = start + self.options.lasts
        if self._arrival is not None:
            self._next_due = start + self._arrival.due(0) if self._total else _NEVER
        self._active = len(self.users)
        for user in reversed(self.users):  # who has rested shortest goes first: the one with the connection
            user.task = self._loop.create_task(_driven(self._life_of(user), self._loop))
        if self._ticker is not None:
            if self._arming:
                self._arm(min(self._next_due, start + _LOOK_EVERY))
            else:
                self._ticker.start_periodic()

    async def _life_of(self, user: User) -> None:
        try:
            await self._iterations(user)
        except asyncio.CancelledError:
            if not self._over:
                raise
            forget_cancellation()
        except (Exception, KeyboardInterrupt) as error:  # uvloop would lose the latter
            self._abort_run(error)
            return
        if self._script.teardown is not None:
            try:
                await self._script.teardown(user)
            except (Exception, SystemExit) as error:
                self.teardown_failures.add(f"teardown: {type(error).__name__}", described(error))
            finally:
                _hang_up(user)

    async def _iterations(self, user: User) -> None:
        behaviours = self._script.behaviours
        now = _monotonic()
        while not self._over:
            if not self._claim(user, now):
                self._rest(user, now)
                await user.turn
                if self._over:
                    return
                now = _monotonic()
            requests = user.requests
            behaviour = behaviours[next(self._choice)]
            began = user.due or now
            user.busy, user.marked, user.last = True, False, None
            try:
                if user.due:
                    await first_step(user, behaviour.run(user))
                else:
                    await behaviour.run(user)
            except BaseException as error:
                if self._failed(user, behaviour.name, error):
                    self.groups.add_failed(behaviour.name)
                now = _monotonic()
            else:
                now = _monotonic()
                self.groups.add(behaviour.name, now - began)
            finally:
                user.busy = False
                user.due = 0.0
                if user.call is not None:  # of a task that the scenario left behind
                    self.leave_behind(user, user.call)
                if user.sessions:
                    _hang_up(user)
            if user.requests == requests and not self._over:
                self._loop.call_later(_EMPTY_PAUSE, user.turn.send)
                await user.turn
                now = _monotonic()

    def _failed(self, user: User, name: str, error: BaseException) -> bool:
        """Whether an iteration that ended in an error counts as one; raises what ends the user's life."""
        if isinstance(error, RequestFailed | JourneyEnded):  # counted where it happened
            return True
        if isinstance(error, MissingExtra):
            self._abort_run(error)
            return False
        if isinstance(error, FeederRanOut):
            self._feeder_ran_out(error)
            return False
        if isinstance(error, asyncio.CancelledError):
            if self._over:
                raise error
            if _monotonic() >= self._cut_at:
                forget_cancellation()
                self.events.add("cut off by the end", name)
                return False
        elif not isinstance(error, Exception | SystemExit):
            raise error
        self.count_error(user, type(error).__name__, f"{name}: {described(error)}")
        return True

    def _claim(self, user: User, now: float) -> bool:
        """Take the next iteration, if there is one now."""
        if self._arrival is None:
            if now >= self._deadline or self._sent >= self._total:
                return False
            self._sent += 1
            return True
        due = self._next_due
        if due > now:
            return False
        # With another user waiting, it was not the service that kept the iteration waiting.
        self._take_due(user, max(due, self._waiting[0].free) if self._waiting else now)
        if self._arming and now < self._next_due < _NEVER:
            self._arm(self._next_due)
        return True

    def _take_due(self, user: User, free: float) -> None:
        user.due = self._next_due
        user.free = free
        self._advance()
        self._sent += 1

    def _rest(self, user: User, now: float) -> None:
        user.free = now
        self._waiting.append(user)
        self._active -= 1
        self._check_finished(now)

    def _tick(self) -> None:
        """Give what is due to the users that wait."""
        waiting = self._waiting
        now = _monotonic()
        watch = self._watch
        watch.woken(now)
        watch.expected = now + PERIOD
        while (due := self._next_due) <= now and waiting:
            free = max(waiting[0].free, due)
            user = waiting.pop()  # who rested last: its connection is the warmest, and others need none
            self._active += 1
            self._take_due(user, free)
            user.turn.send()
        if self.recorder.folding is not None:
            self.recorder.fold_on()
        if self._arming and self._next_due < _NEVER:
            self._arm(self._next_due if waiting else now + _LOOK_EVERY)

    def _feeder_ran_out(self, error: FeederRanOut) -> None:
        """Nothing is sent for this iteration any more, nor for another."""
        rows = f"the unique feeder `{error.name}` ran out after {len(error.feeding.rows)} rows"
        if error.feeding.feeder.on_end == "fail":
            self._abort_run(
                ConfigurationError(
                    f"Expected more rows: {rows}",
                    where=error.feeding.where,
                    hint='on_end = "stop" ends the run there without an error',
                )
            )
        self.events.add("feeder ran out", rows)
        self._sent -= 1
        self._total = self._limit = self._sent
        self._next_due = _NEVER

    # Now and then, and at the end.

    @property
    def in_flight(self) -> int:
        """Requests whose answers users wait for."""
        return sum((user.call is not None) + user.waits for user in self.users)

    @property
    def open_connections(self) -> int:
        return super().open_connections + len(self.sessions)

    def _check_finished(self, now: float) -> None:
        if self._started and self._active == 0 and self._nothing_more(now) and not self._done.done():
            self._done.set_result(None)

    def _housekeep(self) -> None:
        super()._housekeep()
        now, timeout = _monotonic(), self.options.timeout
        for session in [one for one in self.sessions if 0 < one.waiting_since < now - timeout]:
            session.fail(End(failures.TIMEOUT, f"nothing came within {timeout:g} s", TIMEOUT_STATUS))
        if now >= self._cut_at:
            for user in self.users:
                waits = user.call is not None or user.waits or user.closes or user.due
                if user.busy and not waits and user.task is not None:
                    user.task.cancel()

    async def _close(self) -> None:
        self._over = True
        self._cut_at = _NEVER
        self._on_progress = None
        tasks = [user.task for user in self.users if user.task is not None]
        before = self.numbered
        if tasks:
            self._use_recorder()  # the outcome is made: what teardowns request is no part of it
            for user, task in zip(self.users, tasks, strict=True):
                if user.busy:
                    task.cancel()
                else:
                    user.turn.send_soon()
            await asyncio.wait(tasks, timeout=self.options.timeout)
        tasks += [user.connecting for user in self.users if user.connecting is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)
        self._unmeasured += self.numbered - before
        await super()._close()


async def _driven(coroutine: Coroutine[Any, Any, object], loop: asyncio.AbstractEventLoop) -> None:
    await Driven(coroutine, loop)


async def _without_exit(setup: Coroutine[Any, Any, object]) -> None:
    """Run a setup: a `sys.exit` in it would end the event loop before anything is closed."""
    try:
        await setup
    except SystemExit as error:
        raise ConfigurationError(f"The setup of a user failed: {described(error)}") from error


def _hang_up(user: User) -> None:
    """End the sessions that the user's code left open."""
    for session in list(user.sessions):
        session.hang_up()
