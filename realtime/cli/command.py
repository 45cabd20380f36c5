"""Makes a command's parameters from the options classes of `realtime.options`.

A command is a function whose parameters are either Typer parameters or options classes:

    @command(app, "image")
    def image(paths: Paths, style: Style, options: ImageOptions, engine: EngineOptions, console: Console) -> None: ...

Each options class is replaced by one command line option a field. `--help` lists them by group, each with its default.
An option that several classes declare is one option: its help is the first class's, and where it is not given, each
class has its own default.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any, get_args, get_type_hints

import typer
from typer.core import TyperCommand

from realtime.cli.common import State, style_messages
from realtime.option_fields import Field, OptionError, Options, without_none


class Given(frozenset[str]):
    """Names of the options that were given on the command line. A command's parameter of this type receives them."""


class GroupedCommand(TyperCommand):
    """A command whose help lists options under the headings of their groups."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes the sections, in the order in which the groups first appear."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            name, text = record
            heading = getattr(parameter, "rich_help_panel", None) or "Other"
            if parameter.param_type_name == "argument":
                heading, name = "Arguments", name.partition(" <")[0]  # without the type as Python writes it
            sections.setdefault(heading, []).append((name, text))
        for heading in sorted(sections, key=lambda name: name == "Other"):
            with formatter.section(heading):
                formatter.write_dl(sections[heading])


def command(app: typer.Typer, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds a function to an application as a command.

    Args:
        app: the application.
        name: of the command.
    """

    def add(function: Callable[..., None]) -> Callable[..., None]:
        app.command(name, cls=GroupedCommand)(expanded(function))
        return function

    return add


def expanded(function: Callable[..., None]) -> Callable[..., None]:
    """A function that takes one argument for each option, in the place of one that takes options classes."""
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, type[Options]] = {}
    given_name: str | None = None
    single: dict[str, Field] = {}
    shared: set[str] = set()
    parameters: list[Parameter] = [Parameter("context", Parameter.KEYWORD_ONLY, annotation=typer.Context)]
    for parameter in signature(function).parameters.values():
        kind = hints[parameter.name]
        if isinstance(kind, type) and issubclass(kind, Options):
            groups[parameter.name] = kind
            declared = [field for field in kind.fields() if not field.info.python_only]
            again = [field for field in declared if field.name in single]
            different = [field.flag for field in again if _accepts(field) != _accepts(single[field.name])]
            if different:  # a value that one class takes and another refuses would be refused for both
                raise TypeError(f"{function.__name__}: {', '.join(different)}: {kind.__name__} accepts other values")
            shared |= {field.name for field in again}
            parameters += [_parameter(field) for field in declared if field.name not in single]
            single |= {field.name: field for field in declared if field.name not in single}
        elif kind is Given:
            given_name = parameter.name
        else:
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=kind))

    @wraps(function)
    def run(context: typer.Context, **values: Any) -> None:
        state, quiet = context.find_object(State), bool(values.get("quiet"))
        if values.get("debug") and state is not None:
            state.debug = True
        sources = {name: context.get_parameter_source(name) for name in values}
        given = Given(name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE")
        options = {name: value for name, value in values.items() if name in single}
        others = {name: value for name, value in values.items() if name not in single}
        if given_name is not None:
            others[given_name] = given
        for name, kind in groups.items():
            declared = [f for f in kind.fields() if not f.info.python_only]
            own = [f for f in declared if f.name not in shared or f.name in given]
            try:
                others[name] = kind(**{f.name: _value(f, options[f.name]) for f in own})
            except OptionError as error:
                flag = next((f.flag for f in declared if f.name == error.name), error.name)
                raise typer.BadParameter(f"{flag}: {error.reason}") from None
        with style_messages(show=not quiet):
            function(**others)

    names = [p.name for p in parameters]
    if len(set(names)) < len(names):
        raise TypeError(f"{function.__name__}: two parameters of one name among {names}")
    run.__signature__ = signature(function).replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def _accepts(declared: Field) -> tuple[Any, ...]:
    """What decides which values an option accepts, and under which name."""
    info = declared.info
    bounds = (info.minimum, info.maximum, info.above, info.below)
    return declared.flag, declared.single_type, declared.repeated, info.read, bounds


def _parameter(declared: Field) -> Parameter:
    """One option as a parameter that Typer understands."""
    info = declared.info
    kind, repeated, metavar = without_none(declared.type), declared.repeated, info.metavar
    if repeated:
        kind = get_args(kind)[0]
        if declared.choices:  # Typer has no list of a Literal; the options class checks each value
            kind, metavar = str, metavar or f"<{'|'.join(declared.choices)}>"
    if info.read is not None:
        kind = str
    required = declared.default is MISSING
    default = None if required or (repeated and not declared.default) else declared.default
    annotation: Any = kind if required or (default is not None and not repeated) else kind | None
    if repeated:
        annotation = list[kind] if required else list[kind] | None  # type: ignore[valid-type]
    flags = info.flags or (declared.flag,)
    settings = typer.Option(
        *flags,
        help=_help(declared),
        metavar=metavar,
        rich_help_panel=info.group,
        show_default=info.shown_default or ("none" if default == "" else default is not None and default is not False),
    )
    return Parameter(
        declared.name,
        Parameter.KEYWORD_ONLY,
        default=Parameter.empty if required else (list(default) if repeated and default else default),
        annotation=Annotated[annotation, settings],
    )


def _help(declared: Field) -> str:
    """The help text, with the range of a number where the placeholder does not show it."""
    text, range_text = declared.info.help, declared.range_text
    return text if not range_text or ".." in (declared.info.metavar or "") else f"{text} ({range_text})"


def _value(declared: Field, value: Any) -> Any:
    """What Typer gives for an option, as the options class takes it."""
    return tuple(value or ()) if declared.repeated else value
