"""Engines for the networks between two networks: the steps of a morph."""

from __future__ import annotations

from realtime.engines.torch.engine import TorchEngine
from realtime.frames import Matrix, Range
from realtime.options import Precision
from realtime.transnet.folding import FoldedTransNet
from realtime.transnet.mixing import NetworkPair


class MixedEngine(TorchEngine):
    """Runs one network between two. It is light: what the two share is computed once, by the pair.

    Args:
        pair: the two networks.
        share: 0 is the first network, 1 the second.
        device, precision, threads: see `TorchEngine`.
    """

    def __init__(
        self, pair: NetworkPair, share: float, *, device: str, precision: Precision, threads: int | None = None
    ) -> None:
        super().__init__(pair.first, device=device, precision=precision, threads=threads)
        self._pair, self._share = pair, share

    def _folded(self, matrix: Matrix, range: Range) -> FoldedTransNet:
        return self._pair.folded(matrix, range, self._share)
