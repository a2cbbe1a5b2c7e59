"""Passing faults and how they are repeated: full jitter, a fixed number of attempts, then 429 or 503.

    PassingFault
    ├── Throttled       the request was refused for its rate: 429 REQUEST_LIMIT_EXCEEDED once spent
    ├── Conflicted      another transaction holds the item:   503 TEMPORARILY_UNAVAILABLE once spent
    └── Unreachable     a server error or a broken connection: 503; the write may have happened

Engines raise these for single requests; ``engine.EngineTable`` carries every request of every engine
through ``Retry.call``. The jitter is the "full jitter" of the AWS Architecture Blog: a uniform share of an
exponentially growing, capped wait.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cairn.errors import CairnError, RequestLimitExceeded, TemporarilyUnavailable

Answer = TypeVar("Answer")


class PassingFault(Exception):
    """A request failed for a reason that passes. ``ambiguous``: it may have been carried out even so."""

    ambiguous = False

    def spent(self) -> CairnError:
        """What the client is told when every attempt failed."""
        return TemporarilyUnavailable("The table cannot be reached at the moment; please try again.")


class Throttled(PassingFault):
    def spent(self) -> CairnError:
        return RequestLimitExceeded("The table takes no more requests at the moment; please try again.")


class Conflicted(PassingFault):
    def spent(self) -> CairnError:
        return TemporarilyUnavailable("Another request is changing the same data; please try again.")


class Unreachable(PassingFault):
    ambiguous = True


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how long: at most ``attempts`` requests, waits in seconds up to ``cap`` each.

    With the defaults a request gives up after at most 5.5 s of waiting, half of that on average: well
    inside API Gateway's 29 s.
    """

    attempts: int = 10
    base: float = 0.02
    cap: float = 1.0
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random

    def call(
        self, request: Callable[[], Answer], seen: Callable[[PassingFault], None] | None = None
    ) -> Answer:
        """The request's answer; ``seen`` hears of every fault that is repeated.

        Raises RequestLimitExceeded or TemporarilyUnavailable when the attempts are spent; every other
        exception passes through at once.
        """
        attempt = 0
        while True:
            try:
                return request()
            except PassingFault as fault:
                if seen is not None:
                    seen(fault)
                attempt += 1
                if attempt >= self.attempts:
                    raise fault.spent() from fault
            self.wait(attempt)

    def wait(self, attempt: int) -> None:
        """Sleep before the attempt after the ``attempt``-th one."""
        self.sleep(self.random() * min(self.cap, self.base * 2 ** (attempt - 1)))
