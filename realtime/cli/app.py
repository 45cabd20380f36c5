"""Puts the commands together, and turns every way to end into an exit code and one line."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer
from typer.exceptions import Abort, Exit, TyperException

from realtime.cli import bench, demo, doctor, evaluate, export, image, learn, paint, styles, train, video, webcam
from realtime.cli.command import command
from realtime.cli.common import State, say
from realtime.errors import RestyleError, one_line
from realtime.memory import keep_memory
from realtime.release import __version__

# No rich markup in help texts: plain ones are drawn without importing rich, which doubles the time that help takes.
app = typer.Typer(
    name="restyle",
    help="Restyle video in real time: each frame once through a network that paints in one style.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
command(app, "video")(video.video)
command(app, "image")(image.image)
command(app, "webcam")(webcam.webcam)
command(app, "demo")(demo.demo)
command(app, "styles")(styles.styles)
command(app, "paint")(paint.paint)
command(app, "learn")(learn.learn)
command(app, "train")(train.train)
command(app, "evaluate")(evaluate.evaluate)
command(app, "export")(export.export)
command(app, "bench")(bench.bench)
command(app, "doctor")(doctor.doctor)


def _set_debug(context: typer.Context, value: bool) -> None:
    state = context.find_object(State)
    if value and state is not None:
        state.debug = True


def _version(value: bool) -> None:
    if value:
        typer.echo(f"restyle {__version__}")
        raise Exit(0)


@app.callback()
def _global_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", callback=_set_debug, help="Show a traceback when something fails.")
    ] = False,
) -> None:
    pass


def run(args: Sequence[str] | None = None, application: typer.Typer = app) -> int:
    """Parses and runs a command line.

    Args:
        args: the arguments after the command's name; None takes the process's own.
        application: the commands.

    Returns:
        The exit code.
    """
    keep_memory()
    state = State()
    # Not Typer's own runner: it would put usage errors on several lines and turn Ctrl-C during work into its own texts.
    group = typer.main.get_command(application)
    try:
        with _terminated_like_ctrl_c():
            with group.make_context("restyle", list(sys.argv[1:] if args is None else args), obj=state) as context:
                group.invoke(context)
            sys.stdout.flush()
    except Exit as error:
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output has left (`restyle styles | head -1`). The interpreter must not try to flush again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KeyboardInterrupt, Abort):
        say("interrupted")
        return 130
    except TyperException as error:
        return _usage(error)
    except RestyleError as error:
        if state.debug:
            traceback.print_exc()
        say(f"error: {one_line(error)}")
        return error.exit_code
    except Exception as error:
        if state.debug:
            traceback.print_exc()
            return 1
        say(f"error: unexpected {type(error).__name__}: {one_line(error)} (run again with --debug for the details)")
        return 1
    return 0


def _usage(error: TyperException) -> int:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "restyle"
    if type(error).__name__ == "NoArgsIsHelpError":  # its message is the whole help text
        say(error.format_message())
        return error.exit_code
    text = one_line(error.format_message()).replace("Value error, ", "")
    say(f"error: {text} (see: {path} --help)")
    return error.exit_code


@contextmanager
def _terminated_like_ctrl_c() -> Iterator[None]:
    """Ends the work cleanly on SIGTERM and on a closed terminal, as on Ctrl-C. Does nothing outside the main thread."""
    caught = []

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # a second one must not break into the cleaning up
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # A signal that is ignored (nohup) stays ignored.
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            try:
                signal.signal(number, end)
            except ValueError:
                break
            caught.append(number)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)
