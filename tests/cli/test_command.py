"""Options classes become the parameters of commands."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer

from realtime.cli.app import app as restyle_app
from realtime.cli.command import Given, command
from realtime.option_fields import OptionError, Options, group, read_size, takes
from realtime.options import ConsoleOptions
from tests.helpers.commands import Restyle


@dataclass(frozen=True, kw_only=True)
class Basket(Options):
    """What is in a basket."""

    apples: int = group("Fruit")(3, "How many apples.", minimum=0, maximum=9)
    kind: Literal["round", "square"] = group("Basket")("round", "Of basket.")
    weight: float | None = group("Fruit")(None, "Of the whole.", above=0, metavar="KG", shown_default="unknown")
    ripe: bool = group("Fruit")(False, "Only ripe ones.", flags=("--ripe", "-r"))
    note: tuple[str, ...] = group("Basket")((), "Repeatable.")
    size: int | tuple[int, int] | None = group("Basket")(None, "Of the basket.", read=read_size, shown_default="any")
    secret: int = group("Basket")(7, "Not on the command line.", python_only=True)

    def check(self) -> None:
        """Square baskets are small."""
        if self.kind == "square" and self.apples > 5:
            raise OptionError("apples", "a square basket holds 5")


@dataclass(frozen=True, kw_only=True)
class Label(Options):
    """A label must be given."""

    label: str = group("Basket")(MISSING, "On the basket.", metavar="TEXT")


def application(function: Callable[..., None]) -> typer.Typer:
    """One command `fill`."""
    made = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
    command(made, "fill")(function)
    made.command("other")(lambda: None)
    return made


@pytest.fixture
def fill(restyle: Restyle) -> Any:
    """Runs `fill` with arguments; returns the result and what the function got."""

    def run(*args: object) -> tuple[Any, dict[str, Any]]:
        got: dict[str, Any] = {}

        def fill(
            place: Annotated[Path, typer.Argument(help="Where to.")],
            basket: Basket,
            label: Label,
            given: Given,
            console: ConsoleOptions,
            own: Annotated[int, typer.Option("--own", help="Of the command itself.")] = 1,
        ) -> None:
            """Fill a basket."""
            got.update(place=place, basket=basket, label=label, given=given, console=console, own=own)

        return restyle("fill", *args, application=application(fill)), got

    return run


def test_the_function_receives_instances(fill: Any) -> None:
    done, got = fill(
        "there", "--label", "x", "--apples", 5, "-r", "--note", "a", "--note", "b", "--size", "4x3", "--own", 2
    )
    assert done.code == 0, done.err
    assert got["basket"] == Basket(apples=5, ripe=True, note=("a", "b"), size=(4, 3))
    assert (got["place"], got["label"], got["own"]) == (Path("there"), Label(label="x"), 2)


def test_defaults(fill: Any) -> None:
    done, got = fill("there", "--label", "x")
    assert done.code == 0, done.err
    assert (got["basket"], got["console"], got["own"]) == (Basket(), ConsoleOptions(), 1)


def test_given_names_what_stands_on_the_command_line(fill: Any) -> None:
    _, got = fill("there", "--label", "x", "--apples", 3, "--own", 1)
    assert got["given"] == {"place", "label", "apples", "own"}  # also where it is the default


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--apples", "10"], "--apples: 10 is not between 0 and 9"),
        (["--apples", "many"], "--apples"),
        (["--kind", "long"], "'round', 'square'"),
        (["--weight", "nan"], "--weight: nan is not above 0"),
        (["--size", "big"], "--size: 'big' is neither a short side"),
        (["--kind", "square", "--apples", "6"], "--apples: a square basket holds 5"),
        (["--secret", "8"], "No such option: --secret"),
    ],
    ids=" ".join,
)
def test_a_wrong_value_is_bad_usage(fill: Any, args: list[str], message: str) -> None:
    done, got = fill("there", "--label", "x", *args)
    assert (done.code, got) == (2, {})
    assert message in done.error and "restyle fill --help" in done.error


def test_what_must_be_given(fill: Any) -> None:
    assert "--label" in fill("there")[0].error
    assert "'place'" in fill("--label", "x")[0].error


def test_help_lists_options_by_group_with_their_defaults(fill: Any) -> None:
    text = " ".join(fill("--help")[0].out.split())
    assert "Arguments: place Where to. [required]" in text
    headings = ["Arguments:", "Fruit:", "Basket:", "Messages:", "Other:"]
    assert [text.index(heading) for heading in headings] == sorted(text.index(heading) for heading in headings)
    fruit, basket = (text[text.index(a) : text.index(b)] for a, b in (("Fruit:", "Basket:"), ("Basket:", "Messages:")))
    assert "How many apples. (between 0 and 9) [default: 3]" in fruit
    assert "--weight KG Of the whole. (above 0) [default: (unknown)]" in fruit
    assert "-r, --ripe Only ripe ones." in fruit
    assert "--kind <round|square> Of basket. [default: round]" in basket
    assert "--label TEXT On the basket. [required]" in basket
    assert "--secret" not in text
    assert "--own <int> Of the command itself. [default: 1]" in text[text.index("Other:") :]


def test_an_option_that_is_added_to_a_class_is_an_option_everywhere(restyle: Restyle) -> None:
    """In the help, in the function's options and in the signature of a method, without another line of code."""

    @dataclass(frozen=True, kw_only=True)
    class Larger(Basket):
        pears: int = group("Fruit")(4, "How many pears.")

    got: list[Larger] = []

    def fill(basket: Larger) -> None:
        got.append(basket)

    fill.__annotations__["basket"] = Larger  # the class is local to this test

    class Shop:
        @takes(Larger)
        def fill(self, options: Larger | None = None, **keywords: Any) -> Larger:
            return (options or Larger()).replace(**keywords)

    made = application(fill)
    assert "How many pears. [default: 4]" in " ".join(restyle("fill", "--help", application=made).out.split())
    assert restyle("fill", "--pears", 6, application=made).code == 0
    assert got == [Larger(pears=6)]
    assert inspect.signature(Shop.fill).parameters["pears"].default == 4
    assert Shop().fill(pears=6) == Larger(pears=6)
    assert Larger.from_json(Larger(pears=6).to_json()) == Larger(pears=6)


@dataclass(frozen=True, kw_only=True)
class Box(Options):
    """Another thing for fruit; what it shares with a basket has another default."""

    apples: int | None = group("Fruit")(None, "How many apples.", minimum=0, maximum=9)
    lid: bool = group("Box")(False, "With a lid.")


def test_an_option_that_two_classes_share_is_one_option(restyle: Restyle) -> None:
    got: list[tuple[Basket, Box]] = []

    def fill(basket: Basket, box: Box) -> None:
        got.append((basket, box))

    made = application(fill)
    assert restyle("fill", "--help", application=made).out.count("--apples") == 1
    assert restyle("fill", "--lid", application=made).code == 0
    assert restyle("fill", "--apples", 5, application=made).code == 0
    assert got == [(Basket(), Box(lid=True)), (Basket(apples=5), Box(apples=5))]
    assert "--apples: 10 is not between 0 and 9" in restyle("fill", "--apples", 10, application=made).error


@dataclass(frozen=True, kw_only=True)
class Crate(Options):
    """Its apples are more."""

    apples: int = group("Fruit")(30, "How many apples.", minimum=0, maximum=90)


def test_names_that_cannot_be_shared() -> None:
    def fill(basket: Basket, crate: Crate) -> None:
        pass

    def take(apples: int, basket: Basket) -> None:
        pass

    with pytest.raises(TypeError, match="--apples: Crate accepts other values"):
        application(fill)
    with pytest.raises(TypeError, match="two parameters of one name"):
        application(take)


# The commands themselves


def _options() -> list[Any]:
    group: Any = typer.main.get_command(restyle_app)
    return [
        pytest.param(found, parameter, id=f"{name} {parameter.opts[0]}")
        for name, found in group.commands.items()
        for parameter in found.params
    ]


@pytest.mark.parametrize(("found", "parameter"), _options())
def test_every_option_has_a_help_text_and_says_what_holds_without_it(found: Any, parameter: Any) -> None:
    names, text = parameter.get_help_record(found.make_context("restyle", [], resilient_parsing=True))
    assert parameter.help, names
    if parameter.param_type_name == "argument" or getattr(parameter, "is_flag", False):
        return
    if parameter.required:
        assert "[required]" in text, names
    elif parameter.default not in (None, ()):
        assert "[default: " in text, names
