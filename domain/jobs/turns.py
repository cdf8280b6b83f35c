"""Whose turn it is: weighted round robin over the accounts that have work waiting.

Stride scheduling (Waldspurger and Weihl, 1995): an account's pass moves on by its stride, which
is one over its weight, with each job that it is served; the smallest pass goes next. While two
accounts can both be served, their jobs per weight differ by no more than their two strides.
"""

import heapq
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

_ROUND: Final = 10**12
"""The stride of weight 1, so that strides are integers to better than a millionth."""

UNLIMITED: Final = 2**31 - 1
"""More places than there will be jobs."""


@dataclass(frozen=True, slots=True)
class Contender:
    """An account that has work waiting: its weight, and how many more jobs it may be given."""

    weight: int
    places: int

    @property
    def stride(self) -> int:
        """Return how far one job moves its pass."""
        return _ROUND // self.weight


@dataclass(frozen=True, slots=True)
class Turns:
    """Where each account's pass stands: a value, replaced as jobs are served.

    `floor` is how far time has come. Known are only accounts whose pass is past it, and those
    that contended last.
    """

    passes: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    floor: int = 0


EVEN: Final = Turns()
"""Everybody begins equal."""


def enter(turns: Turns, accounts: Collection[str]) -> Turns:
    """Return the turns with these accounts contending, and no others.

    Whoever is new, or was away, stands at the smallest pass of the others or at its own,
    whichever is further: it neither waits for having been away, nor catches up. Accounts that
    are away are remembered only while their pass is ahead of everybody's that contends.
    """
    known = [max(turns.passes[each], turns.floor) for each in accounts if each in turns.passes]
    floor = min(known, default=turns.floor)
    ahead = {account: at for account, at in turns.passes.items() if at > floor}
    return Turns({**dict.fromkeys(accounts, floor), **ahead}, floor)


def plan(turns: Turns, contenders: Mapping[str, Contender], places: int) -> list[str]:
    """Return whose turn each of so many places is, in order, as if no line ran out.

    Every contender has been entered. Fewer are returned only when no contender has a place
    left. Of accounts that stand equal, the first by name goes first.
    """
    line = [
        (turns.passes[account], account)
        for account, contender in contenders.items()
        if contender.places > 0
    ]
    heapq.heapify(line)
    chosen: list[str] = []
    given: Counter[str] = Counter()
    while line and len(chosen) < places:
        at, account = line[0]
        chosen.append(account)
        given[account] += 1
        if given[account] < contenders[account].places:
            heapq.heapreplace(line, (at + contenders[account].stride, account))
        else:
            heapq.heappop(line)
    return chosen


def served(turns: Turns, contenders: Mapping[str, Contender], accounts: Sequence[str]) -> Turns:
    """Return the turns after these were served, in this order.

    Time is the pass at which the last of them was served: whoever comes later begins there.
    """
    passes = dict(turns.passes)
    floor = turns.floor
    for account in accounts:
        floor = max(floor, passes[account])
        passes[account] += contenders[account].stride
    return Turns(passes, floor)
