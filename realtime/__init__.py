"""restyle: video, camera or picture in, the same in the style of a painting out.

    from realtime import Stylizer, styles

    stylizer = Stylizer("starry-night")
    stylizer.video("in.mp4", "out.mp4", strength=0.8)

The rooms of the house, and who may know whom, are described in the README.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from realtime.errors import InputError, RestyleError
    from realtime.stylizer import Progress, Stylizer
    from realtime.transnet.checkpoint import StyleCard
    from realtime.transnet.gallery import styles

__version__ = "0.1.0"
__all__ = ["InputError", "Progress", "RestyleError", "StyleCard", "Stylizer", "__version__", "styles"]

_HOMES = {
    "InputError": "realtime.errors",
    "RestyleError": "realtime.errors",
    "Progress": "realtime.stylizer",
    "Stylizer": "realtime.stylizer",
    "StyleCard": "realtime.transnet.checkpoint",
    "styles": "realtime.transnet.gallery",
}


def __getattr__(name: str) -> Any:
    # Imported when first asked for, so that `restyle --help` need not wait for torch.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
