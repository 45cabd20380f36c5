"""The card of a network for any painting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from realtime.options import AnyTrainOptions
from realtime.training.any_painting.card import write_card
from realtime.training.any_painting.run import AnyTrainRun
from realtime.transnet.hypernetwork import AnyPaintingCard


def card(**options: Any) -> AnyPaintingCard:
    files: Any = ((Path("a/paintings"), Path("textures")), Path("photographs"), Path("any.safetensors"))
    given = AnyTrainOptions(device="cpu", steps=5000, **options)
    run = AnyTrainRun.new(*files, given, hold_out=(Path("favourites"),))
    done = {"processes": 2, "steps_done": 4000, "seconds": 5400.0, "device": "cpu", "losses": {"gram": 0.25}}
    counts = {"files": [1200, 1], "squares": [1900, 1], "photographs": 800, "held_out": 3}
    return AnyPaintingCard(run.architecture, run.kernels, "0123456789ab", run.recipe() | done | counts)


def test_what_it_says(tmp_path: Path) -> None:
    write_card(tmp_path / "any.md", "any", card())
    text = (tmp_path / "any.md").read_text()
    assert text.startswith("# any\n\nA network that takes any painting, version 0123456789ab.")
    assert "- paintings: `paintings`, 1,200 files, 1,900 squares\n- paintings: `textures`, 1 file, 1 square\n" in text
    assert "- photographs: `photographs`, 800 files\n" in text
    assert "- held out: what shows a painting of `favourites` (3 files)" in text
    assert "Sources and licences of the pictures: unknown." in text
    assert "4,000 steps of 4 paintings with 2 photographs each, of 192 px, in 1.50 hours on cpu (2 processes)" in text
    assert "| steps | 5000 |" in text and "| palette | 0.2 |" in text and "| gram | 0.25 |" in text
    assert "Known weaknesses" not in text


def test_what_is_written_by_hand_stays(tmp_path: Path) -> None:
    path = tmp_path / "any.md"
    write_card(path, "any", card())
    path.write_text(path.read_text() + "\n## Known weaknesses\n\nSkies are too calm.\n")
    write_card(path, "any", card(sources="Our own photographs of our own paintings"))
    text = path.read_text()
    assert text.endswith("## Known weaknesses\n\nSkies are too calm.\n")
    assert "Sources and licences of the pictures: Our own photographs of our own paintings." in text
