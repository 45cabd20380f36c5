"""Chooses the working size: the largest at which the network keeps the camera's rate."""

from __future__ import annotations

from collections import deque
from statistics import median

_FACTORS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.42, 0.35, 0.3)
_SMALLEST_SIDE = 144
_MULTIPLE = 8

# Costs are compared with the period from picture to picture.
_SAMPLES = 8
_WARM_UP = 2
_TOO_SLOW = 0.95
_TARGET = 0.85
_SPARE = 0.8
_WAIT, _LONGEST_WAIT = 3.0, 60.0
_REVERSAL = 6.0


def ladder(width: int, height: int) -> tuple[tuple[int, int], ...]:
    """Working sizes for pictures of a size, from that size down to a third of it.

    Returns:
        (width, height) each, the shorter side 144 pixels or more (or the first alone); all but the first are multiples
        of 8, which the network takes as they are.
    """
    sizes = [(width, height)]
    for factor in _FACTORS[1:]:
        size = tuple(max(_MULTIPLE, round(side * factor / _MULTIPLE) * _MULTIPLE) for side in (width, height))
        if min(size) >= _SMALLEST_SIDE and size not in sizes:
            sizes.append((size[0], size[1]))
    return tuple(sizes)


class ResolutionController:
    """Makes the working size smaller when the network cannot keep the rate, and larger again when it could for a while.

    A step up that must be undone doubles the wait before the next one, so that the size does not oscillate.

    The controller only says which size it wants. The size changes when the caller has prepared the networks for it and
    calls `ready`.

    Attributes:
        sizes: (width, height) from the largest to the smallest.
        changes: number of changes so far.
    """

    def __init__(self, sizes: tuple[tuple[int, int], ...]) -> None:
        self.sizes = sizes
        self.changes = 0
        self._index = 0
        self._wanted: int | None = None
        self._costs: deque[float] = deque(maxlen=_SAMPLES)
        self._warm_up = _WARM_UP
        self._spare_since: float | None = None
        self._wait = _WAIT
        self._went_up: float | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) to work at now."""
        return self.sizes[self._index]

    @property
    def wanted(self) -> tuple[int, int] | None:
        """(width, height) to prepare for; None while the present size is right."""
        return None if self._wanted is None else self.sizes[self._wanted]

    def ready(self) -> None:
        """Changes to the wanted size: the networks are prepared for it."""
        if self._wanted is None:
            return
        self._index, self._wanted = self._wanted, None
        self.changes += 1
        self._costs.clear()
        self._warm_up = _WARM_UP
        self._spare_since = None

    def calibrate(self, cost: float, period: float) -> None:
        """Chooses the first size from the cost of one picture at the present size.

        Args:
            cost: seconds for a picture.
            period: seconds from picture to picture.
        """
        self._index = self._fitting(cost, period) if cost > _TARGET * period else self._index

    def observe(self, now: float, cost: float, period: float) -> None:
        """Records the cost of a painted picture, and may want another size afterwards.

        Args:
            now: the present, in seconds.
            cost: seconds that the picture took at the present size.
            period: seconds from picture to picture.
        """
        if len(self.sizes) == 1 or self._wanted is not None:
            return
        if self._warm_up:  # the first pictures of a size are slow: the engine prepares for it
            self._warm_up -= 1
            return
        self._costs.append(cost)
        if len(self._costs) < _SAMPLES:
            return
        typical = median(self._costs)
        if typical > _TOO_SLOW * period and self._index < len(self.sizes) - 1:
            if self._went_up is not None and now - self._went_up < _REVERSAL + self._wait:
                self._wait = min(2 * self._wait, _LONGEST_WAIT)
            else:
                self._wait = _WAIT
            self._went_up = None
            self._wanted = max(self._index + 1, self._fitting(typical, period))
        elif self._index and self._predicted(typical, self._index - 1) <= _SPARE * period:
            if self._spare_since is None:
                self._spare_since = now
            elif now - self._spare_since >= self._wait:
                self._went_up = now
                self._wanted = self._index - 1
        else:
            self._spare_since = None

    def _predicted(self, cost: float, index: int) -> float:
        """The expected cost at another size, in proportion to its pixels."""
        (a, b), (c, d) = self.sizes[self._index], self.sizes[index]
        return cost * c * d / (a * b)

    def _fitting(self, cost: float, period: float) -> int:
        """The largest size that keeps the rate with some time to spare; the smallest where none does."""
        for index in range(self._index, len(self.sizes)):
            if self._predicted(cost, index) <= _TARGET * period:
                return index
        return len(self.sizes) - 1
