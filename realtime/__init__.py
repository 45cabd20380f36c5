"""restyle: video, camera or picture in, the same in the style of a painting out.

    from realtime import Stylizer, styles

    with Stylizer("starry-night") as stylizer:
        stylizer.video("in.mp4", "out.mp4", strength=0.8)

ARCHITECTURE.md describes the packages and their layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from realtime.release import __version__

if TYPE_CHECKING:
    from realtime.errors import InputError, RestyleError, StyleError
    from realtime.options import (
        EngineOptions,
        ImageOptions,
        LearnOptions,
        LiveOptions,
        PaintOptions,
        StyleOptions,
        VideoOptions,
    )
    from realtime.results import BatchSummary, LearnSummary, PicturesSummary, Progress, VideoSummary
    from realtime.stylizer import Stylizer
    from realtime.training.learn import learn
    from realtime.transnet.checkpoint import StyleCard
    from realtime.transnet.gallery import styles

_MODULES = {
    "realtime.errors": ("InputError", "RestyleError", "StyleError"),
    "realtime.options": (
        "EngineOptions",
        "ImageOptions",
        "LearnOptions",
        "LiveOptions",
        "PaintOptions",
        "StyleOptions",
        "VideoOptions",
    ),
    "realtime.results": ("BatchSummary", "LearnSummary", "PicturesSummary", "Progress", "VideoSummary"),
    "realtime.stylizer": ("Stylizer",),
    "realtime.training.learn": ("learn",),
    "realtime.transnet.checkpoint": ("StyleCard",),
    "realtime.transnet.gallery": ("styles",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "BatchSummary",
    "EngineOptions",
    "ImageOptions",
    "InputError",
    "LearnOptions",
    "LearnSummary",
    "LiveOptions",
    "PaintOptions",
    "PicturesSummary",
    "Progress",
    "RestyleError",
    "StyleCard",
    "StyleError",
    "StyleOptions",
    "Stylizer",
    "VideoOptions",
    "VideoSummary",
    "__version__",
    "learn",
    "styles",
]


def __getattr__(name: str) -> Any:
    # Imported when first asked for, so that `restyle --help` need not wait for torch.
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
