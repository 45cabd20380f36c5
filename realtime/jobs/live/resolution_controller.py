"""The working size: as large as the camera's rate allows."""

from __future__ import annotations

from collections import deque
from statistics import median

_FACTORS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.42, 0.35, 0.3)
_SMALLEST_SIDE = 144
_MULTIPLE = 8

_SAMPLES = 8
_SETTLING = 2
_TOO_SLOW = 0.95
_AIM = 0.85
_ROOM = 0.8
_PATIENCE, _LONGEST_PATIENCE = 3.0, 60.0
_TOO_SOON = 6.0


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


class Governor:
    """Steps the working size down as soon as the network cannot keep the rate, and up again when it could for a while.

    A step up that has to be taken back makes the next one wait twice as long, so that it does not go to and fro.

    It names the size that it wants; the step is taken when somebody has prepared the networks for it and says so.

    Attributes:
        sizes: (width, height) from the largest to the smallest.
        changes: steps so far.
    """

    def __init__(self, sizes: tuple[tuple[int, int], ...]) -> None:
        self.sizes = sizes
        self.changes = 0
        self._index = 0
        self._wanted: int | None = None
        self._costs: deque[float] = deque(maxlen=_SAMPLES)
        self._settling = _SETTLING
        self._room_since: float | None = None
        self._patience = _PATIENCE
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
        """The networks are prepared for the wanted size: take the step."""
        if self._wanted is None:
            return
        self._index, self._wanted = self._wanted, None
        self.changes += 1
        self._costs.clear()
        self._settling = _SETTLING
        self._room_since = None

    def calibrate(self, cost: float, period: float) -> None:
        """Choose the first size, from what one picture of the present size takes.

        Args:
            cost: seconds for a picture.
            period: seconds from picture to picture.
        """
        self._index = self._fitting(cost, period) if cost > _AIM * period else self._index

    def observe(self, now: float, cost: float, period: float) -> None:
        """A picture was painted.

        Args:
            now: the present, in seconds.
            cost: seconds that it took at the present size.
            period: seconds from picture to picture.
        """
        if len(self.sizes) == 1 or self._wanted is not None:
            return
        if self._settling:  # the first ones of a size pay for its preparation
            self._settling -= 1
            return
        self._costs.append(cost)
        if len(self._costs) < _SAMPLES:
            return
        typical = median(self._costs)
        if typical > _TOO_SLOW * period and self._index < len(self.sizes) - 1:
            if self._went_up is not None and now - self._went_up < _TOO_SOON + self._patience:
                self._patience = min(2 * self._patience, _LONGEST_PATIENCE)
            else:
                self._patience = _PATIENCE
            self._went_up = None
            self._wanted = max(self._index + 1, self._fitting(typical, period))
        elif self._index and self._predicted(typical, self._index - 1) <= _ROOM * period:
            if self._room_since is None:
                self._room_since = now
            elif now - self._room_since >= self._patience:
                self._went_up = now
                self._wanted = self._index - 1
        else:
            self._room_since = None

    def _predicted(self, cost: float, index: int) -> float:
        """What a picture would take at another size: as much as it has pixels."""
        (a, b), (c, d) = self.sizes[self._index], self.sizes[index]
        return cost * c * d / (a * b)

    def _fitting(self, cost: float, period: float) -> int:
        """The largest size that keeps the rate with some room; the smallest where none does."""
        for index in range(self._index, len(self.sizes)):
            if self._predicted(cost, index) <= _AIM * period:
                return index
        return len(self.sizes) - 1
