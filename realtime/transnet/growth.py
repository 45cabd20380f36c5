"""A larger network from a trained smaller one, which paints the same picture until it is trained further.

The idea is Net2Net (Chen et al. 2016, arXiv 1511.05641). New channels have weights of their own but no influence at
first: the weights with which the old channels read them are zero. They have gradients from the first step on.
"""

from __future__ import annotations

import torch

from realtime.transnet.network import Architecture, TransNet


def can_grow(old: Architecture, new: Architecture) -> bool:
    """Whether `new` contains `old`: no fewer channels, its blocks first, and the same contours unless it has none.

    A network without a texture plane may become one that takes it; one with fine blocks may get more of them.

    Batch norm may become instance norm, which has the same parameters. Then, and only then, the picture changes; a few
    hundred steps of training restore it.
    """
    return (
        (old.norm == new.norm or (old.norm, new.norm) == ("batch", "instance"))
        and (old.cell, old.phases) == (new.cell, new.phases)
        and new.width >= old.width
        and new.body >= old.body
        and new.dilations[: len(old.dilations)] == old.dilations
        and old.contours in ((), new.contours)
        and old.skip == new.skip
        and bool(old.fine) == bool(new.fine)
        and new.fine[: len(old.fine)] == old.fine
        and old.texture <= new.texture
    )


@torch.no_grad()
def grow(network: TransNet, architecture: Architecture) -> TransNet:
    """A network of another architecture that paints what `network` paints (except where `can_grow` says otherwise).

    Args:
        network: in its training form.
        architecture: larger than its own, or the same.

    Raises:
        ValueError: `can_grow` says no.
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
            value[: before.shape[0]] = 0  # old channels do not read new ones
        value[here] = before
    return grown.train(network.training)
