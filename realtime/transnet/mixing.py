"""Networks between two networks: the weights are interpolated.

That works where both have the same architecture and come from one origin: the network that takes any painting emits
sums of the same kernels, so that a channel of one means what the same channel of another means. Between networks that
were trained apart from each other there is no such path.
"""

from __future__ import annotations

from copy import deepcopy

import torch

from realtime.frames import Matrix, Range
from realtime.transnet.folding import FoldedTransNet, fold
from realtime.transnet.network import TransNet


class NetworkPair:
    """Two networks, and all those between them.

    Both are folded once for each meaning of the codes; what is interpolated are the folded weights. For networks with
    the same running statistics, as all that are emitted, this is the interpolation of the weights themselves.

    Args:
        first, second: of one architecture and one origin, in their training form; they stay as they are.

    Attributes:
        first: as given.

    Raises:
        ValueError: the architectures differ.
    """

    def __init__(self, first: TransNet, second: TransNet) -> None:
        if first.architecture != second.architecture:
            raise ValueError("networks of different architectures cannot be mixed")
        self.first, self._second = first, second
        self._folded: dict[tuple[Matrix, Range], tuple[FoldedTransNet, FoldedTransNet]] = {}

    @torch.no_grad()
    def folded(self, matrix: Matrix, range: Range, share: float) -> FoldedTransNet:
        """A network between the two, folded; see `fold`.

        Args:
            matrix, range: meaning of the source's codes.
            share: 0 is the first network, 1 the second.

        Returns:
            a network of its own, fp32.
        """
        if (matrix, range) not in self._folded:
            self._folded[matrix, range] = fold(self.first, matrix, range), fold(self._second, matrix, range)
        first, second = self._folded[matrix, range]
        made = deepcopy(first)
        for weight, other in zip(made.parameters(), second.parameters(), strict=True):
            weight.lerp_(other, share)
        return made
