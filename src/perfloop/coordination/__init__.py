"""What several chapters need once: a fair line of threads and tasks that wait for permits."""

from .fair_semaphore import FairSemaphore, QueueFull, WaitTimedOut
from .permits import Permits
from .wait_queue import Waiter, WaitQueue, WaitState

__all__ = ["FairSemaphore", "Permits", "QueueFull", "WaitQueue", "WaitState", "WaitTimedOut", "Waiter"]
