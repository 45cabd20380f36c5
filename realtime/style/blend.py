"""Blends: the average of the weights of several networks.

Networks whose weights come from the same network that takes any painting lie close to each other: what lies between
their weights paints what lies between their styles. Networks of any other origin have nothing in common, whatever their
architecture, and their average paints noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from realtime.errors import StyleError
from realtime.options import StyleOptions
from realtime.style.emitted import any_painting, as_stored, emit, gallery_statistics, origin, picture_statistics
from realtime.style.reference import StyleReference, Term
from realtime.transnet.checkpoint import load_checkpoint, read_card
from realtime.transnet.network import TransNet


@dataclass(frozen=True, slots=True)
class Part:
    """A network of a blend.

    Attributes:
        name: for messages.
        network: its weights.
        weight: its share; those of a blend add up to 1.
    """

    name: str
    network: TransNet
    weight: float


@torch.no_grad()
def average(parts: Sequence[Part]) -> TransNet:
    """A network with the average of the weights, as a checkpoint stores them, in eval mode.

    Raises:
        StyleError: the networks differ in their architecture.
    """
    first = parts[0]
    for part in parts:
        if part.network.architecture != first.network.architecture:
            raise StyleError(f"{part.name} and {first.name} cannot be blended: their networks differ in architecture")
    states = [part.network.state_dict() for part in parts]
    blended = TransNet(first.network.architecture)
    for name, value in blended.state_dict().items():
        if value.is_floating_point():
            value.copy_(sum(state[name].double() * part.weight for state, part in zip(states, parts, strict=True)))
    return as_stored(blended).eval()


def blend(reference: StyleReference, options: StyleOptions = StyleOptions()) -> TransNet:
    """The network of a blend.

    A picture's network is emitted, and so is that of a gallery style, from its painting. A checkpoint is taken as it
    is.

    Args:
        reference: of several terms, none of them an exported network.
        options: for the networks that are emitted.

    Raises:
        InputError: a picture cannot be read, or a term cannot be blended; the message says why.
    """
    return average([Part(term.name, _network(term, options), term.weight) for term in reference.terms])


def _network(term: Term, options: StyleOptions) -> TransNet:
    if term.kind == "picture":
        return emit(picture_statistics(term.path), options)
    if term.kind == "gallery" and (statistics := gallery_statistics(term.name)) is not None:
        return emit(statistics, options)
    version = any_painting()[1].version
    if origin(read_card(term.path)) != version:
        what = "the painting of this gallery style is not stored" if term.kind == "gallery" else "a checkpoint"
        raise StyleError(
            f"{term.name}: cannot be blended: {what}, and its weights do not come from the network that takes any"
            f" painting (version {version})"
        )
    return load_checkpoint(term.path)[0]
