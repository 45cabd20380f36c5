"""From what a user gives as STYLE to a network: the one way in which all commands find it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from realtime.errors import StyleError
from realtime.options import StyleOptions
from realtime.style import cache
from realtime.style.blend import blend
from realtime.style.emitted import amounts, emit, picture_statistics, recipe
from realtime.style.reference import StyleReference, Term, parse_style
from realtime.transnet.checkpoint import StyleCard, load_checkpoint, read_card, save_checkpoint
from realtime.transnet.network import TransNet

log = logging.getLogger(__name__)

SLOW_SECONDS = 1.0
"""After this time it is said that a network is being made. The message is logged at level INFO."""

_lock = threading.Lock()
"""Held while a network is made: two threads that want the same one make it once, and the cores are used by one."""


def resolve_style(style: str | Path, options: StyleOptions = StyleOptions()) -> Path:
    """The file of a style: a checkpoint, or an exported network.

    The network for a picture or a blend is made now, or was made before from the same content: it is a checkpoint in
    the user's cache.

    Args:
        style: a name from the gallery, the path of a checkpoint, of an ONNX file or of a picture, or a blend of these;
            see `realtime.style.reference`.
        options: for a picture or a blend.

    Raises:
        StyleError: there is no such style, or what is to be blended cannot be.
        MediaError: a picture cannot be read.
        InputError: options are given and the style's network has no such inputs.
        RestyleError: a network was made and can be stored nowhere.
    """
    reference = _checked(style, options)
    if not reference.is_emitted:
        return reference.terms[0].path
    with _lock:
        name = _file_name(reference, options)
        found = cache.find(name, _is_checkpoint)
        if found is not None:
            return found
        network, card = _make(reference, options)
        return cache.store(name, lambda path: save_checkpoint(path, network, card))


def style_network(style: str | Path, options: StyleOptions = StyleOptions()) -> tuple[TransNet, StyleCard]:
    """The network of a style, in its training form (fp32, eval mode), and its card.

    It has the weights that the file of `resolve_style` has. A network that is made here is not stored; what is known of
    its picture is, so that another amount of paint costs some milliseconds.

    Args:
        style, options: see `resolve_style`.

    Raises:
        StyleError: as `resolve_style`; or the style is an exported network, whose weights are not known.
        InputError, MediaError: see `resolve_style`.
    """
    reference = _checked(style, options)
    if not reference.is_emitted:
        path = reference.terms[0].path
        if reference.terms[0].kind == "onnx":
            raise StyleError(f"{path}: is an exported network; a checkpoint, a picture or a gallery style is needed")
        return load_checkpoint(path)
    with _lock:
        found = cache.find(_file_name(reference, options), _is_checkpoint)
        return _make(reference, options) if found is None else load_checkpoint(found)


def _checked(style: str | Path, options: StyleOptions) -> StyleReference:
    reference = parse_style(style)
    reference.check(options)
    return reference


def _is_checkpoint(path: Path) -> bool:
    try:
        read_card(path)
    except StyleError:
        return False
    return True


def _file_name(reference: StyleReference, options: StyleOptions) -> str:
    """The name in the cache: the terms' contents, the network that takes any painting, and the options."""
    terms = [[term.name, cache.file_digest(term.path), term.weight] for term in reference.terms]
    return cache.file_name("style", terms=terms, amounts=amounts(options), **cache.network_digests())


def _make(reference: StyleReference, options: StyleOptions) -> tuple[TransNet, StyleCard]:
    with _said_if_slow(reference.name):
        first = reference.terms[0]
        network = blend(reference, options) if reference.is_blend else emit(picture_statistics(first.path), options)
        made_of = [_known(term) for term in reference.terms]
        card = StyleCard(reference.name, architecture=network.architecture, recipe=recipe(made_of, options))
    return network, card


def _known(term: Term) -> dict[str, Any]:
    return {"name": term.name, "kind": term.kind, "weight": term.weight, "sha256": cache.file_digest(term.path)}


@contextmanager
def _said_if_slow(name: str) -> Iterator[None]:
    timer = threading.Timer(
        SLOW_SECONDS, log.info, [f"{name}: taking the style from the picture; remembered next time"]
    )
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
