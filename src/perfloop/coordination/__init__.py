"""What several chapters need once: a fair line of threads and tasks that wait for permits."""

from .fair_semaphore import FairSemaphore, QueueFull, WaitTimedOut
from .permits import Permits
from .wait_queue import Waiter, WaitQueue, WaitState
from .waking import waking_future

__all__ = ["FairSemaphore", "Permits", "QueueFull", "WaitQueue", "WaitState", "WaitTimedOut", "Waiter", "waking_future"]
