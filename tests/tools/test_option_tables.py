"""docs/options.md is made from the declarations, and is up to date."""

from __future__ import annotations

from realtime import options
from realtime.option_fields import Options
from tools.option_tables import COMMANDS, PAGE, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run python -m tools.option_tables"


def test_every_options_class_of_a_command_is_on_the_page() -> None:
    shown = {name for names in COMMANDS.values() for name in names}
    bases = {base for name in shown for base in getattr(options, name).__mro__}
    declared = {kind for kind in vars(options).values() if isinstance(kind, type) and issubclass(kind, Options)}
    assert {kind.__name__ for kind in declared - bases} == {"ConsoleOptions"}
