"""Knobs: which sliders a style shows, and where they stand."""

from __future__ import annotations

from itertools import pairwise

import pytest

from realtime.jobs.live.knobs import KNOB_OF_KEY, KNOBS, sliders
from realtime.jobs.live.painter import Look
from realtime.media.live.overlay import Slider
from realtime.options import PaintOptions, StyleOptions


def test_sliders_of_what_a_style_has() -> None:
    look = Look(paint=PaintOptions(texture=0.25), style_options=StyleOptions(stroke=2.0))
    assert sliders(look, frozenset()) == ()
    assert sliders(look, {"texture"}) == (Slider("texture (g t)", 0.25, "0.25"),)
    assert sliders(look, {"paint", "stroke", "texture"})[:2] == (
        Slider("paint (k i)", 0.5, "0.50"),
        Slider("stroke (j u)", 1.0, "2.00"),
    )


@pytest.mark.parametrize("knob", KNOBS, ids=lambda knob: knob.name)
def test_a_slider_goes_from_end_to_end(knob: object) -> None:
    look, places = Look(), []
    for key in [knob.less] * 12 + [knob.more] * 12:  # type: ignore[attr-defined]
        look = KNOB_OF_KEY[key].press(key, look)
        places.append(KNOB_OF_KEY[key].slider(look).place)
    assert places[11] == 0 and places[-1] == 1
    assert places[:12] == sorted(places[:12], reverse=True) and places[12:] == sorted(places[12:])
    assert max(b - a for a, b in pairwise(places)) < 0.2
