"""The machinery of `realtime.options`: what a declared option is, how its value is checked, how it becomes JSON."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from inspect import Parameter, signature
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from realtime.errors import InputError

Method = TypeVar("Method", bound=Callable[..., Any])
First = TypeVar("First", bound="Options")
Second = TypeVar("Second", bound="Options")


@dataclass(frozen=True)
class OptionInfo:
    """What is declared of an option beside its name, its type and its default.

    Attributes:
        help: one sentence for `--help` and the documentation.
        group: heading under which the help lists it.
        metavar: what the help shows in the place of the value; None lets the type say it.
        flags: names on the command line; made from the field's name where empty.
        minimum, maximum: bounds of a number, inclusive.
        above, below: exclusive bounds of a number.
        read: makes the value from what is given (text from the command line, or a Python value); raises ValueError.
        shown_default: the default in words, where the value itself says nothing.
        python_only: not on the command line.
    """

    help: str
    group: str
    metavar: str | None = None
    flags: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    read: Callable[[Any], Any] | None = None
    shown_default: str | None = None
    python_only: bool = False


def group(name: str) -> Callable[..., Any]:
    """A function that declares the options of one group: `declare(default, help, **other attributes of OptionInfo)`.

    With `MISSING` as its default an option must be given.
    """

    def declare(default: Any, help: str, **declared: Any) -> Any:
        return field(default=default, metadata={"option": OptionInfo(help, name, **declared)})

    return declare


class OptionError(InputError):
    """The value of an option is wrong.

    Attributes:
        name: of the option, as in Python.
        reason: what is wrong with the value, without the name.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name, self.reason = name, reason


@dataclass(frozen=True)
class Field:
    """One option of a class.

    Attributes:
        name: as in Python.
        type: the annotation, evaluated.
        default: `dataclasses.MISSING` where it must be given.
        info: what is declared of it.
    """

    name: str
    type: Any
    default: Any
    info: OptionInfo

    @property
    def flag(self) -> str:
        """The option's long name on the command line."""
        return next((f for f in self.info.flags if f.startswith("--")), f"--{self.name.replace('_', '-')}")

    @property
    def repeated(self) -> bool:
        """Whether it can be given several times on the command line: a tuple that is not read from one text."""
        return get_origin(without_none(self.type)) is tuple and self.info.read is None

    @property
    def choices(self) -> tuple[Any, ...]:
        """The allowed values where the type is a Literal (or one that may be None, or a tuple of it); else none."""
        return get_args(self.single_type) if get_origin(self.single_type) is Literal else ()

    @property
    def single_type(self) -> Any:
        """The type of one value: without None, and of a repeated option that of its elements."""
        kind = without_none(self.type)
        return get_args(kind)[0] if self.repeated else kind

    def checked(self, value: Any) -> Any:
        """A value of the option's type and range; of a repeated option each of its values.

        Raises:
            OptionError: the value is neither.
        """
        if self.repeated and value is not None:
            if not isinstance(value, tuple | list):
                raise OptionError(self.name, f"{value!r} is not a list of values")
            return tuple(self._checked(part) for part in value)
        return self._checked(value)

    def _checked(self, value: Any) -> Any:
        info = self.info
        if value is None and type(None) in get_args(self.type):
            return None
        try:
            value = _typed(self.single_type, value) if info.read is None else info.read(value)
        except (TypeError, ValueError) as error:
            raise OptionError(self.name, str(error)) from None
        if self.choices and value not in self.choices:
            raise OptionError(self.name, f"{value!r} is not one of {', '.join(map(str, self.choices))}")
        if self.range_text and not self._within(value):
            raise OptionError(self.name, f"{value!r} is not {self.range_text}")
        return value

    def _within(self, value: float) -> bool:
        info = self.info
        return (
            not math.isnan(value)
            and (info.minimum is None or value >= info.minimum)
            and (info.maximum is None or value <= info.maximum)
            and (info.above is None or value > info.above)
            and (info.below is None or value < info.below)
        )

    @property
    def range_text(self) -> str:
        """The range of a number in words; empty where there is none."""
        info = self.info
        if info.minimum is not None and info.maximum is not None:
            return f"between {info.minimum:g} and {info.maximum:g}"
        bounds = [(info.above, "above {:g}"), (info.minimum, "{:g} or more")]
        bounds += [(info.below, "below {:g}"), (info.maximum, "at most {:g}")]
        return " and ".join(text.format(bound) for bound, text in bounds if bound is not None)


def without_none(kind: Any) -> Any:
    """A type annotation without its None: `int | None` becomes `int`."""
    if get_origin(kind) in (Union, UnionType):
        rest = [part for part in get_args(kind) if part is not type(None)]
        return rest[0] if len(rest) == 1 else kind
    return kind


_TYPES: dict[Any, tuple[Any, str]] = {
    bool: (bool, "True or False"),
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    str: (str, "text"),
    Path: ((str, PathLike), "a path"),
}
"""What stands for a value of a type, and that in words."""


def _typed(kind: Any, value: Any) -> Any:
    """A value of a type, made from one that stands for it: a Path from text, a tuple from a list.

    Raises:
        TypeError: it stands for no such value.
    """
    if get_origin(kind) is tuple and isinstance(value, tuple | list):
        return tuple(_typed(get_args(kind)[0], part) for part in value)
    if kind not in _TYPES:
        return value
    accepted, words = _TYPES[kind]
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{value!r} is not {words}")
    return kind(value)


class Options:
    """Base of the options classes: values are checked when an instance is made.

    Raises:
        OptionError: a value is of the wrong type or out of its range, or two options exclude each other.
    """

    def __post_init__(self) -> None:
        for declared in self.fields():
            object.__setattr__(self, declared.name, declared.checked(getattr(self, declared.name)))
        self.check()

    def check(self) -> None:
        """Rules that hold between options; raises OptionError."""

    @classmethod
    @cache
    def fields(cls) -> tuple[Field, ...]:
        """The options of this class, in the order of their declaration."""
        hints = get_type_hints(cls)
        return tuple(
            Field(f.name, hints[f.name], f.default, f.metadata["option"])
            for f in dataclasses.fields(cls)  # type: ignore[arg-type]  # every subclass is a dataclass
            if "option" in f.metadata
        )

    def replace(self, **changes: Any) -> Self:
        """A copy with other values, which are checked.

        Raises:
            OptionError: a value is wrong.
            TypeError: there is no such option; the message names one that is meant, perhaps.
        """
        _check_names(changes, self)
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]  # every subclass is a dataclass

    def to_json(self) -> dict[str, Any]:
        """The values as JSON holds them: paths as text, tuples as lists."""
        return {f.name: _plain(getattr(self, f.name)) for f in self.fields()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; what it does not name has its default.

        Raises:
            OptionError: a name is unknown or a value is wrong.
        """
        known = {f.name: f for f in cls.fields()}
        for name in values:
            if name not in known:
                raise OptionError(name, f"{cls.__name__} has no such option")
        return cls(**{name: _restored(known[name].type, value) for name, value in values.items()})


def replace_in_both(first: First, second: Second, changes: Mapping[str, Any]) -> tuple[First, Second]:
    """Copies of two classes' options with other values. Each name goes to the class that declares it.

    Raises:
        OptionError: a value is wrong.
        TypeError: neither has an option of that name.
    """
    _check_names(changes, first, second)
    names = {f.name for f in first.fields()}
    return (
        first.replace(**{name: value for name, value in changes.items() if name in names}),
        second.replace(**{name: value for name, value in changes.items() if name not in names}),
    )


def _check_names(changes: Mapping[str, Any], *options: Options) -> None:
    names = [f.name for one in options for f in one.fields()]
    for name in changes:
        if name not in names:
            close = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
            classes = " or ".join(type(one).__name__ for one in options)
            raise TypeError(f"{classes} has no option {name!r}; {hint}")


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    return value


def _restored(kind: Any, value: Any) -> Any:
    kind = without_none(kind)
    if value is None:
        return None
    if kind is Path:
        return Path(value)
    if get_origin(kind) is tuple:
        inner = get_args(kind)[0]
        return tuple(_restored(inner, part) for part in value)
    return value


def takes(*kinds: type[Options]) -> Callable[[Method], Method]:
    """Shows the fields of options classes as keyword arguments of a method that takes `**keywords`.

    Args:
        kinds: the options classes; their fields' help texts become the end of the method's docstring.
    """

    def decorate(method: Method) -> Method:
        own = signature(method)
        declared = [
            Parameter(f.name, Parameter.KEYWORD_ONLY, default=f.default, annotation=f.type)
            for kind in kinds
            for f in kind.fields()
        ]
        kept = [p for p in own.parameters.values() if p.kind is not Parameter.VAR_KEYWORD]
        method.__signature__ = own.replace(parameters=[*kept, *declared])  # type: ignore[attr-defined]
        method.__doc__ = method.__doc__ or ""
        for kind in kinds:
            lines = "".join(f"\n            {f.name}: {f.info.help}" for f in kind.fields())
            method.__doc__ += f"\n        Options (`realtime.options.{kind.__name__}`):{lines}\n"
        return method

    return decorate


# What values are made from


def read_size(size: str | int | Sequence[int]) -> int | tuple[int, int]:
    """A size as people write it: 360 or "360" (short side in pixels), "640x360" or (640, 360) (width, height).

    Raises:
        ValueError: it is none of these.
    """
    given: Any = size
    if isinstance(size, str) and (match := re.fullmatch(r"(\d+)(?:x(\d+))?", size.strip().lower())):
        given = (int(match[1]), int(match[2])) if match[2] else int(match[1])
    sides = (given,) if isinstance(given, int) else tuple(given) if isinstance(given, tuple | list) else ()
    if len(sides) != (1 if isinstance(given, int) else 2) or not all(isinstance(s, int) and s > 0 for s in sides):
        raise ValueError(f"{size!r} is neither a short side in pixels (360) nor WxH (640x360)")
    return given if isinstance(given, int) else (sides[0], sides[1])


def read_width_height(size: str | Sequence[int]) -> tuple[int, int]:
    """Both sides of a size, from "640x360" or (640, 360).

    Raises:
        ValueError: it is neither.
    """
    read = read_size(size)
    if not isinstance(read, tuple):
        raise ValueError(f"{size!r} is not WxH (640x360)")
    return read


def read_time(time: str | float) -> float:
    """Seconds, from seconds or from [HH:]MM:SS, each with decimals.

    Raises:
        ValueError: it is neither.
    """
    if not isinstance(time, str):
        if not 0 <= time < math.inf:
            raise ValueError(f"{time!r} is not 0 or more seconds")
        return float(time)
    match = re.fullmatch(r"(?:(?:(\d+):)?([0-5]?\d):)?(\d+(?:\.\d*)?|\.\d+)", time)
    if match is None or (match[2] is not None and float(match[3]) >= 60):
        raise ValueError(f"{time!r} is neither seconds (12.5) nor [HH:]MM:SS (1:02:03.5)")
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)


PROVIDERS = "with --backend onnx also tensorrt, coreml, directml, openvino"


def read_device(device: str) -> str:
    """A device's name, of a form that some engine knows.

    Raises:
        ValueError: no engine knows such a form.
    """
    if not re.fullmatch(r"auto|cpu|mps|coreml|directml|openvino|(cuda|tensorrt)(:\d+)?", device):
        raise ValueError(f"{device!r} is not one of auto, cpu, cuda, cuda:N, mps; {PROVIDERS}")
    return device


def read_devices(devices: str) -> str:
    """One device, "all" CUDA devices, or several devices with commas between them.

    Raises:
        ValueError: one of them is no device, or "auto" stands among several.
    """
    several = devices.split(",")
    if devices == "all":
        return devices
    if len(several) > 1 and "auto" in several:
        raise ValueError(f"{devices!r}: name each of several devices, such as cuda:0,cuda:1, or say all")
    for device in several:
        read_device(device)
    return devices


def read_numbers(numbers: str | Sequence[float]) -> tuple[float, ...]:
    """Numbers, from a sequence or from text with commas between them; "none" is an empty list.

    Raises:
        ValueError: the text is something else.
    """
    try:
        return tuple(float(n) for n in (numbers.split(",") if isinstance(numbers, str) else numbers))
    except ValueError:
        if numbers == "none":
            return ()
        raise ValueError(f"{numbers!r}: numbers with commas between them are wanted") from None


def read_whole_numbers(numbers: str | Sequence[float]) -> tuple[int, ...]:
    """Whole numbers, written as for `read_numbers`.

    Raises:
        ValueError: one of them is not whole.
    """
    found = read_numbers(numbers)
    if not all(n.is_integer() for n in found):
        raise ValueError(f"{numbers!r}: whole numbers with commas between them are wanted")
    return tuple(int(n) for n in found)
