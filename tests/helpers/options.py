"""Values for the options classes, for property tests."""

from __future__ import annotations

from dataclasses import MISSING
from pathlib import Path
from typing import Any, get_args, get_origin

from hypothesis import assume
from hypothesis import strategies as st

from realtime import options
from realtime.option_fields import (
    Field,
    OptionError,
    Options,
    read_device,
    read_devices,
    read_size,
    read_time,
    without_none,
)

CLASSES: list[type[Options]] = [
    kind
    for kind in vars(options).values()
    if isinstance(kind, type) and issubclass(kind, Options) and kind is not Options
]
"""All that `realtime.options` declares."""

_DEVICES = ["auto", "cpu", "cuda", "cuda:1", "mps", "tensorrt:0", "openvino"]
_TEXTS = st.text(min_size=1, max_size=8).map(lambda text: f"key={text}")
_READ: dict[Any, st.SearchStrategy[Any]] = {
    read_size: st.integers(1, 9999) | st.tuples(st.integers(1, 9999), st.integers(1, 9999)) | st.just("640x360"),
    read_time: st.floats(0, 1e6) | st.sampled_from(["90", "1:30", "01:02:03.5"]),
    read_device: st.sampled_from(_DEVICES),
    read_devices: st.sampled_from([*_DEVICES, "all", "cuda:0,cuda:1"]),
}


def values(field: Field) -> st.SearchStrategy[Any]:
    """Values that an option may have, as far as it alone says."""
    kind, info = without_none(field.type), field.info
    if field.choices:
        allowed: st.SearchStrategy[Any] = st.sampled_from(field.choices)
    elif info.read is not None:
        allowed = _READ.get(info.read, st.just(field.default))
    else:
        allowed = _of_type(kind, field)
    return allowed | st.none() if type(None) in get_args(field.type) else allowed


def _of_type(kind: Any, field: Field) -> st.SearchStrategy[Any]:
    info = field.info
    if get_origin(kind) is tuple:
        return st.lists(_of_type(get_args(kind)[0], field), max_size=3).map(tuple)
    if kind is bool:
        return st.booleans()
    if kind is int:
        low = info.minimum if info.minimum is not None else None if info.above is None else info.above + 1
        return st.integers(None if low is None else int(low), None if info.maximum is None else int(info.maximum))
    if kind is float:
        low = info.minimum if info.minimum is not None else info.above
        exclude = info.minimum is None and info.above is not None
        return st.floats(low, info.maximum, exclude_min=exclude, allow_nan=False, allow_infinity=False)
    if kind is Path:
        return _TEXTS.map(Path)
    return _TEXTS


@st.composite
def instances(draw: st.DrawFn, kind: type[Options]) -> Options:
    """Instances of a class with a few options that differ from the default."""
    fields = list(kind.fields())
    required = [field for field in fields if field.default is MISSING]
    chosen = draw(st.lists(st.sampled_from(fields), max_size=4, unique_by=lambda field: field.name)) if fields else []
    given = {field.name: draw(values(field)) for field in {f.name: f for f in [*required, *chosen]}.values()}
    try:
        return kind(**given)
    except OptionError:  # options that exclude each other
        assume(False)
        raise
