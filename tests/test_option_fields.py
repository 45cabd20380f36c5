"""The machinery of the options: types, ranges, choices, JSON, and the texts that values are made from."""

from __future__ import annotations

import inspect
import json
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.option_fields import (
    OptionError,
    Options,
    group,
    read_device,
    read_devices,
    read_numbers,
    read_size,
    read_time,
    read_whole_numbers,
    read_width_height,
    replace_in_both,
    takes,
)
from realtime.options import PaintOptions, StyleOptions
from tests.helpers.options import CLASSES, instances

_files, _numbers, _other = group("Files"), group("Numbers"), group("Other")


@dataclass(frozen=True, kw_only=True)
class Sample(Options):
    """One option of each kind."""

    wanted: Path = _files(MISSING, "Must be given.")
    count: int | None = _numbers(None, "A number of things.", minimum=1, maximum=9)
    share: float = _numbers(0.5, "More than nothing.", above=0, below=1)
    depth: float = _numbers(0.0, "At most.", maximum=2)
    mode: Literal["fast", "slow"] | None = _other("fast", "How.")
    loud: bool = _other(False, "Say more.")
    words: tuple[str, ...] = _other((), "Repeatable.")
    steps: tuple[int, ...] = _other((1,), "Repeatable numbers.", minimum=1)
    size: int | tuple[int, int] | None = _other(None, "Of the output.", read=read_size)
    scales: tuple[int, ...] | None = _other(None, "Numbers in one text.", read=read_whole_numbers)

    def check(self) -> None:
        """Loud is never slow."""
        if self.loud and self.mode == "slow":
            raise OptionError("mode", "slow is never loud")


def sample(**values: Any) -> Sample:
    return Sample(**{"wanted": Path("a"), **values})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 0}, "count: 0 is not between 1 and 9"),
        ({"count": 10}, "count: 10 is not between 1 and 9"),
        ({"share": 0}, "share: 0.0 is not above 0 and below 1"),
        ({"share": 1}, "share: 1.0 is not above 0 and below 1"),
        ({"share": float("nan")}, "share: nan is not above 0"),
        ({"depth": 2.5}, "depth: 2.5 is not at most 2"),
        ({"mode": "medium"}, "mode: 'medium' is not one of fast, slow"),
        ({"mode": "slow", "loud": True}, "mode: slow is never loud"),
        ({"size": "big"}, "size: 'big' is neither"),
        ({"size": 1.5}, "size: 1.5 is neither"),
        ({"count": 1.5}, "count: 1.5 is not a whole number"),
        ({"count": True}, "count: True is not a whole number"),
        ({"share": "much"}, "share: 'much' is not a number"),
        ({"share": None}, "share: None is not a number"),
        ({"loud": "yes"}, "loud: 'yes' is not True or False"),
        ({"wanted": 3}, "wanted: 3 is not a path"),
        ({"words": [1]}, "words: 1 is not text"),
        ({"words": "one"}, "words: 'one' is not a list of values"),
        ({"steps": (3, 0)}, "steps: 0 is not 1 or more"),
        ({"scales": "1,a"}, "scales: '1,a': numbers with commas"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_wrong_values(values: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        sample(**values)
    assert str(caught.value).startswith(message)
    assert caught.value.name == message.partition(":")[0]
    with pytest.raises(OptionError):
        sample().replace(**values)


def test_values_are_converted() -> None:
    made = sample(wanted="a/b", count=np.int64(3), share=np.float32(0.25), words=["x"], size="640x360", scales="4,2")
    assert made == sample(wanted=Path("a/b"), count=3, share=0.25, words=("x",), size=(640, 360), scales=(4, 2))
    assert type(made.count) is int and type(made.share) is float
    assert json.loads(json.dumps(made.to_json()))["wanted"] == str(Path("a/b"))


def test_unknown_names() -> None:
    with pytest.raises(TypeError, match="Sample has no option 'cuont'; did you mean count?"):
        sample().replace(cuont=1)
    with pytest.raises(TypeError, match="there are wanted, count, share"):
        sample().replace(xyz=1)
    with pytest.raises(OptionError, match="Sample has no such option") as caught:
        Sample.from_json({"wanted": "a", "colour": 1})
    assert caught.value.name == "colour"


def test_fields_tell_what_is_declared() -> None:
    fields = {field.name: field for field in Sample.fields()}
    assert list(fields) == ["wanted", "count", "share", "depth", "mode", "loud", "words", "steps", "size", "scales"]
    assert fields["mode"].choices == ("fast", "slow") and fields["count"].choices == ()
    texts = {name: fields[name].range_text for name in ("count", "share", "depth", "steps", "size")}
    assert list(texts.values()) == ["between 1 and 9", "above 0 and below 1", "at most 2", "1 or more", ""]
    assert [name for name, field in fields.items() if field.repeated] == ["words", "steps"]
    assert fields["count"].flag == "--count"


def test_a_method_takes_the_fields_as_keywords() -> None:
    class Thing:
        @takes(Sample)
        def work(self, file: str, options: Sample | None = None, **keywords: Any) -> Sample:
            """Works.

            Args:
                file: whatever.
            """
            return (options or sample()).replace(**keywords)

    parameters = inspect.signature(Thing().work).parameters
    assert list(parameters) == ["file", "options", *(field.name for field in Sample.fields())]
    assert parameters["share"].default == 0.5 and parameters["share"].kind is inspect.Parameter.KEYWORD_ONLY
    assert Thing.work.__doc__ is not None
    assert "file: whatever." in Thing.work.__doc__ and "share: More than nothing." in Thing.work.__doc__
    assert Thing().work("x", sample(count=2), share=0.2).share == 0.2


def test_a_method_takes_the_fields_of_two_classes() -> None:
    class Thing:
        @takes(PaintOptions, StyleOptions)
        def work(self, **keywords: Any) -> tuple[PaintOptions, StyleOptions]:
            """Works."""
            return replace_in_both(PaintOptions(), StyleOptions(stroke=2), keywords)

    names = [field.name for kind in (PaintOptions, StyleOptions) for field in kind.fields()]
    assert list(inspect.signature(Thing().work).parameters) == names
    assert Thing.work.__doc__ is not None
    assert "options.PaintOptions" in Thing.work.__doc__ and "options.StyleOptions" in Thing.work.__doc__
    assert Thing().work(strength=0.5, paint=0.2) == (PaintOptions(strength=0.5), StyleOptions(paint=0.2, stroke=2))
    with pytest.raises(TypeError, match="PaintOptions or StyleOptions has no option 'strok'; did you mean stroke"):
        Thing().work(strok=1)
    with pytest.raises(OptionError, match="stroke: 3.0 is not between"):
        Thing().work(stroke=3.0)


@pytest.mark.parametrize("kind", [Sample, *CLASSES], ids=lambda kind: kind.__name__)
@settings(max_examples=25, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(data=st.data())
def test_options_survive_json(kind: type[Options], data: st.DataObject) -> None:
    made = data.draw(instances(kind))
    assert kind.from_json(json.loads(json.dumps(made.to_json()))) == made


# Texts


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ("360", 360),
        ("640X360", (640, 360)),
        (" 64x36 ", (64, 36)),
        (360, 360),
        ((640, 360), (640, 360)),
        ([4, 2], (4, 2)),
    ],
    ids=str,
)
def test_sizes(size: Any, wanted: object) -> None:
    assert read_size(size) == wanted


@pytest.mark.parametrize(
    "size", ["", "0", "0x4", "640×360", "640x", "-3", (1, 2, 3), (1,), (), 0, (1.5, 2), "ab"], ids=str
)
def test_texts_that_are_no_size(size: Any) -> None:
    with pytest.raises(ValueError, match="640x360"):
        read_size(size)


def test_sizes_of_two_sides() -> None:
    assert read_width_height("64x36") == read_width_height((64, 36)) == (64, 36)
    with pytest.raises(ValueError, match="is not WxH"):
        read_width_height("64")


def test_numbers_in_one_text() -> None:
    assert read_numbers("1,2.5,1e-3") == (1, 2.5, 0.001) and read_numbers("none") == () == read_numbers([])
    assert read_whole_numbers("4,2") == read_whole_numbers((4.0, 2.0)) == (4, 2)
    for text in ("", "a", "1,,2", "1;2"):
        with pytest.raises(ValueError, match="with commas between"):
            read_numbers(text)
    with pytest.raises(ValueError, match="whole numbers"):
        read_whole_numbers("1.5")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("12.5", 12.5), (".5", 0.5), ("1:30", 90), ("01:02:03.5", 3723.5), ("100:00:00", 360000), (7, 7)],
)
def test_times(text: Any, seconds: float) -> None:
    assert read_time(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "-1", "1:60", "1:75:00", "1:2:3:4", "soon", "1e3", "nan", "inf", "1:", ":30", "1,5"]
)
def test_texts_that_are_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="MM:SS"):
        read_time(text)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_numbers_that_are_no_time(seconds: float) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        read_time(seconds)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59999))
def test_every_time_is_read_back(hours: int, minutes: int, milliseconds: int) -> None:
    text = f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}.{milliseconds % 1000:03}"
    assert read_time(text) == pytest.approx(hours * 3600 + minutes * 60 + milliseconds / 1000)


def test_devices() -> None:
    for device in ("auto", "cpu", "cuda", "cuda:7", "mps", "coreml", "tensorrt:1"):
        assert read_device(device) == read_devices(device) == device
    for devices in ("all", "cuda:0,cuda:1", "cpu,cpu"):
        assert read_devices(devices) == devices
    for device in ("gpu", "cuda:", "cuda:x", "", "cpu,cpu", "all"):
        with pytest.raises(ValueError, match="auto, cpu, cuda"):
            read_device(device)
    with pytest.raises(ValueError, match="or say all"):
        read_devices("cpu,auto")
    with pytest.raises(ValueError, match="auto, cpu, cuda"):
        read_devices("cpu,gpu")
