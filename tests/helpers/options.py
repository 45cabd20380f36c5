"""Values for the options classes, for property tests."""

from __future__ import annotations

from dataclasses import MISSING
from pathlib import Path
from typing import Any, get_args

from hypothesis import assume
from hypothesis import strategies as st

from realtime import options
from realtime.option_fields import (
    Field,
    OptionError,
    OptionInfo,
    Options,
    read_device,
    read_devices,
    read_numbers,
    read_size,
    read_time,
    read_whole_numbers,
    read_width_height,
)

CLASSES: list[type[Options]] = [
    kind
    for kind in vars(options).values()
    if isinstance(kind, type) and issubclass(kind, Options) and kind is not Options
]
"""All that `realtime.options` declares."""

_DEVICES = ["auto", "cpu", "cuda", "cuda:1", "mps", "tensorrt:0", "openvino"]
_SIDES = st.integers(1, 9999)
_TEXTS = st.text(min_size=1, max_size=8).map(lambda text: f"key={text}")
_READ: dict[Any, st.SearchStrategy[Any]] = {
    read_size: _SIDES | st.tuples(_SIDES, _SIDES) | st.just("640x360"),
    read_width_height: st.tuples(_SIDES, _SIDES) | st.just("640x360"),
    read_time: st.floats(0, 1e6) | st.sampled_from(["90", "1:30", "01:02:03.5"]),
    read_device: st.sampled_from(_DEVICES),
    read_devices: st.sampled_from([*_DEVICES, "all", "cuda:0,cuda:1"]),
    read_numbers: st.lists(st.floats(0, 100), max_size=4).map(tuple) | st.just("1,2.5"),
    read_whole_numbers: st.lists(st.integers(1, 100), max_size=4).map(tuple) | st.just("4,2"),
}


def values(field: Field) -> st.SearchStrategy[Any]:
    """Values that an option may have, as far as it alone says."""
    info, allowed = field.info, st.nothing()
    if info.read is not None:
        allowed = _READ.get(info.read, st.just(field.default))
    elif field.choices:
        allowed = st.sampled_from(field.choices)
    elif field.single_type is bool:
        allowed = st.booleans()
    elif field.single_type is int:
        low, high = _bounds(info, 1)
        allowed = st.integers(None if low is None else int(low), None if high is None else int(high))
    elif field.single_type is float:
        low, high = _bounds(info, 0.01)
        allowed = st.floats(low, high, allow_nan=False, allow_infinity=False)
    else:
        allowed = _TEXTS.map(Path) if field.single_type is Path else _TEXTS
    if field.repeated:
        allowed = st.lists(allowed, max_size=3).map(tuple)
    return allowed | st.none() if type(None) in get_args(field.type) else allowed


def _bounds(info: OptionInfo, step: float) -> tuple[float | None, float | None]:
    """The smallest and the largest value, at this distance from bounds that are excluded."""
    low = info.above + step if info.above is not None else info.minimum
    return low, info.below - step if info.below is not None else info.maximum


@st.composite
def instances(draw: st.DrawFn, kind: type[Options]) -> Options:
    """Instances of a class in which a few options differ from the default."""
    fields = kind.fields()
    chosen = [field for field in fields if field.default is MISSING]
    if fields:
        chosen += draw(st.lists(st.sampled_from(fields), max_size=4))
    given = {field.name: draw(values(field)) for field in dict.fromkeys(chosen)}
    try:
        return kind(**given)
    except OptionError:  # options that exclude each other
        assume(False)
        raise
