"""A larger network from a trained smaller one, which paints the same picture until it is trained further.

The idea is that of Net2Net (Chen et al. 2016, arXiv 1511.05641). What is new has weights of its own but no say at
first: the weights by which the old channels would hear it are zero. They have gradients from the first step on.
"""

from __future__ import annotations

import torch

from realtime.transnet.network import Architecture, TransNet


def can_grow(old: Architecture, new: Architecture) -> bool:
    """Whether `new` has all that `old` has: no fewer channels, its blocks first, its contours (any, if it has none).

    Batch norm may become instance norm, which has the same parameters. Only then the picture is another one until the
    network is trained further: a few hundred steps bring it back.
    """
    kept = ("convolution", "cell", "phases")
    return (
        (old.norm == new.norm or (old.norm, new.norm) == ("batch", "instance"))
        and all(getattr(old, name) == getattr(new, name) for name in kept)
        and new.width >= old.width
        and new.body >= old.body
        and new.dilations[: len(old.dilations)] == old.dilations
        and old.contours in ((), new.contours)
    )


@torch.no_grad()
def grow(network: TransNet, architecture: Architecture) -> TransNet:
    """A network of another architecture that gives what `network` gives (but for a norm that changes: see `can_grow`).

    Args:
        network: in its training form.
        architecture: larger than its own, or the same.

    Raises:
        ValueError: it is not (see `can_grow`).
    """
    if not can_grow(network.architecture, architecture):
        raise ValueError(f"{network.architecture} does not grow to {architecture}")
    grown = TransNet(architecture).to(next(network.parameters()).device)
    old, new = network.state_dict(), grown.state_dict()
    for name, value in new.items():
        if name not in old:
            continue  # a new block or the contours: they begin without influence (see TransNet)
        before = old[name]
        here = tuple(slice(size) for size in before.shape)
        if value.ndim == 4 and before.shape[1] < value.shape[1]:
            value[: before.shape[0]] = 0  # what is new is not heard
        value[here] = before
    return grown.train(network.training)
