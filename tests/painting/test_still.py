"""Painting photographs: masks, colours, several paintings, previews, scores, light networks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from realtime.errors import InputError
from realtime.media.files.stills import read_image, read_picture, write_image
from realtime.option_fields import OptionError
from realtime.options import LossNetworkName, PaintingOptions
from realtime.painting import painter as module
from realtime.painting.paint import paint
from realtime.painting.painter import Painter
from realtime.painting.pictures import with_colors_of
from realtime.perception.features import LossNetwork, to_tensor
from realtime.perception.losses import gram, gram_error
from realtime.results import PaintingProgress, PaintingSummary
from tests.helpers.pictures import soft, torchvision_weights


@dataclass
class Job:
    """A photograph, paintings, a file to write, and options."""

    content: Path
    styles: tuple[Path, ...]
    output: Path
    options: PaintingOptions

    def run(self, report: Any = None, **options: Any) -> PaintingSummary:
        return paint(self.content, self.styles, self.output, self.options.replace(**options), report=report)


@pytest.fixture
def job(tmp_path: Path, shallow: PaintingOptions) -> Job:
    write_image(tmp_path / "content.png", soft(1, 72, 90))
    write_image(tmp_path / "style.png", soft(2, 80, 80))
    options = shallow.replace(size=64, steps=3)
    return Job(tmp_path / "content.png", (tmp_path / "style.png",), tmp_path / "out.png", options)


def test_a_painting(job: Job) -> None:
    seen: list[PaintingProgress] = []
    summary = job.run(seen.append)
    assert read_image(job.output).shape == (64, 80, 3)
    assert (summary.preset, summary.size, summary.steps) == ("guide", (80, 64), 3)
    assert summary.style == (str(job.styles[0]),)
    assert summary.losses["last"]["style"] < summary.losses["first"]["style"]
    assert summary.losses["first"]["content"] == 0
    assert summary.scores is not None
    assert summary.scores.content > 0 and summary.scores.style > 0
    assert summary.scores.style == pytest.approx(np.mean(summary.scores.layers), abs=1e-4)
    assert [(p.step, p.steps, p.size, p.frame, p.frames) for p in seen] == [(n, 3, (80, 64), 1, 1) for n in (1, 2, 3)]
    assert seen[-1].share == 1


def test_scales_come_one_after_the_other(job: Job) -> None:
    seen: list[PaintingProgress] = []
    summary = job.run(seen.append, scales=(64,), steps=2, size=96)
    assert [scale.size for scale in summary.scales] == [(80, 64), (120, 96)]
    assert summary.steps == 4
    assert summary.losses["first"] == summary.scales[1].first
    # The second begins with the style of the first.
    assert summary.scales[1].first["style"] < summary.scales[0].first["style"]
    shares = [p.share for p in seen]
    assert shares == sorted(shares) and shares[-1] == 1


def test_noise_to_start_from_depends_on_the_seed(job: Job) -> None:
    pictures = []
    for seed in (1, 1, 2):
        job.run(init="noise", noise=0.1, steps=1, overwrite=True, seed=seed)
        pictures.append(read_image(job.output).astype(int))
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])
    assert pictures[0].std() < 40 < pictures[0].mean()  # gray with noise, not the photograph


def test_masks(job: Job, tmp_path: Path) -> None:
    mask = np.zeros((72, 90, 3), np.uint8)
    mask[:, :45] = 255
    write_image(tmp_path / "left.png", mask)
    job.run(size=72, mask=(tmp_path / "left.png",))
    out, source = read_image(job.output).astype(int), read_image(job.content)
    assert np.array_equal(out[:, 45:], source[:, 45:])
    assert np.abs(out[:, :45] - source[:, :45]).mean() > 3


def test_a_mask_for_each_painting(job: Job, tmp_path: Path) -> None:
    half = np.zeros((72, 90, 3), np.uint8)
    half[:, :45] = 255
    write_image(tmp_path / "left.png", half)
    write_image(tmp_path / "right.png", 255 - half)
    write_image(tmp_path / "red.png", soft(3, 80, 80) // np.array([1, 4, 4], np.uint8))
    write_image(tmp_path / "blue.png", soft(3, 80, 80) // np.array([4, 4, 1], np.uint8))
    both = replace(job, styles=(tmp_path / "red.png", tmp_path / "blue.png"))
    network = LossNetwork.load(job.options.features)

    def error(picture: np.ndarray, painting: str) -> float:
        pair = [to_tensor(p, torch.device("cpu")) for p in (picture, wanted[painting])]
        matrices = [gram(network(p, ["conv1_1"])[0])[0] for p in pair]
        return float(gram_error(matrices[0], matrices[1], "relative"))

    wanted = {name: read_image(tmp_path / f"{name}.png") for name in ("red", "blue")}
    masks = (tmp_path / "left.png", tmp_path / "right.png")
    both.run(size=72, mask=masks, content_weight=0.0, style_layers="conv1_1", steps=15)
    out = read_image(job.output)
    # Away from the border between them, where a feature sees both.
    assert error(out[:, :40], "red") < 0.5 * error(out[:, 50:], "red")
    assert error(out[:, 50:], "blue") < 0.5 * error(out[:, :40], "blue")


def test_several_paintings_by_their_shares(job: Job, tmp_path: Path) -> None:
    write_image(tmp_path / "other.png", soft(5, 80, 80))
    two = replace(job, styles=(*job.styles, tmp_path / "other.png"), output=tmp_path / "two.png")
    alone = job.run()
    assert two.run(blend=(1.0, 0.0)).losses == alone.losses
    assert np.array_equal(read_image(job.output), read_image(two.output))
    both = two.run(overwrite=True)
    assert len(both.style) == 2 and both.losses["first"] != alone.losses["first"]


def test_colours_are_kept(job: Job) -> None:
    write_image(job.content, np.full((72, 90, 3), (120, 90, 100), np.uint8), overwrite=True)
    job.run(keep_color=True, init="noise", noise=0.1, steps=1)  # noise has other colours
    out = read_image(job.output).astype(int)
    assert np.abs((out[..., 0] - out[..., 1]) - 30).max() <= 1  # the differences of the channels are the source's
    assert np.abs((out[..., 2] - out[..., 1]) - 10).max() <= 1
    assert out.std() > 2
    assert np.array_equal(with_colors_of(out.astype(np.uint8), out.astype(np.uint8)), out)


def test_the_preview_grows(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[np.ndarray] = []
    monkeypatch.setattr(
        module.stills,
        "write_image",
        lambda path, rgb, overwrite: written.append(rgb) or write_image(path, rgb, overwrite=overwrite),
    )
    job.run(steps=5, preview=tmp_path / "preview.jpg", preview_every=2)
    assert len(written) == 3  # after 2, 4 and 5 steps
    assert not np.array_equal(written[0], written[1])
    assert np.array_equal(written[2], read_image(job.output))
    assert (tmp_path / "preview.jpg").is_file()


def test_transparency_and_tags_stay(job: Job) -> None:
    image = Image.fromarray(np.dstack([soft(1, 72, 90), np.full((72, 90), 99, np.uint8)]))
    exif = image.getexif()
    exif[0x010F] = "A Maker"
    image.save(job.content, exif=exif)
    job.run()
    out = read_picture(job.output)
    assert out.alpha is not None and (out.alpha == 99).all()
    assert out.exif is not None and b"A Maker" in out.exif


@pytest.mark.parametrize(("name", "model"), [("mobilenet", "mobilenet_v2"), ("squeezenet", "squeezenet1_1")])
def test_light_networks_paint(job: Job, tmp_path: Path, name: LossNetworkName, model: str) -> None:
    weights = torchvision_weights(tmp_path / "w.safetensors", model)
    options = {"content_layers": None, "style_layers": None, "gram": "relative", "learning_rate": None, "steps": 4}
    summary = job.run(loss_network=name, features=weights, style_weight=1.0, content_weight=0.0, **options)
    assert summary.losses["last"]["total"] < summary.losses["first"]["total"]
    assert summary.scores is None  # they are defined by VGG-19
    assert any("has no layers of VGG-19" in note for note in summary.notes)


def test_saving_memory_paints_nearly_the_same(job: Job) -> None:
    def loss(**options: Any) -> float:
        return job.run(overwrite=True, **options).losses["last"]["total"]

    plain = loss()
    assert loss(tile=128) == pytest.approx(plain, rel=0.02)
    assert loss(grad_checkpoint=True) == pytest.approx(plain, rel=0.02)
    assert loss(precision="bf16") == pytest.approx(plain, rel=0.2)


def test_lbfgs(job: Job) -> None:
    summary = job.run(precision="auto", optimizer="lbfgs", learning_rate=1.0)
    assert (summary.optimizer, summary.precision, summary.steps) == ("lbfgs", "fp32", 3)
    assert summary.losses["last"]["total"] < summary.losses["first"]["total"]
    painter = Painter(job.styles, job.options.replace(precision="bf16"))
    assert next(painter.network.parameters()).dtype == torch.bfloat16


def test_the_process_keeps_its_threads(job: Job) -> None:
    before = torch.get_num_threads()
    job.run(threads=before + 1, steps=1)
    assert torch.get_num_threads() == before


def test_what_is_refused(job: Job, tmp_path: Path) -> None:
    write_image(tmp_path / "black.png", np.zeros((60, 60, 3), np.uint8))
    missing = tmp_path / "none.png"
    for changes, options, words in (
        ({"content": missing}, {}, "no such file"),
        ({"styles": (missing,)}, {}, "no such file"),
        ({"styles": ()}, {}, "at least one style"),
        ({}, {"mask": (missing,)}, "no such file"),
        ({}, {"mask": (tmp_path / "black.png",)}, "black everywhere"),
        ({}, {"mask": (missing, missing)}, "--mask is given 2 times"),
        ({}, {"blend": (1.0, 2.0)}, "--blend has 2 shares"),
        ({}, {"start": 1.0}, "are for clips"),
        ({"output": tmp_path / "out.xyz"}, {}, "cannot write .xyz"),
        ({"output": tmp_path / "no" / "out.png"}, {}, "does not exist"),
        ({"output": job.content}, {"overwrite": True}, "is one of the inputs"),
        ({}, {"preview": job.styles[0]}, "is one of the inputs"),
        ({}, {"preview": job.output}, "is the output"),
        ({}, {"features": missing}, "no such file"),
        ({}, {"preset": "keras", "content_layers": None, "style_layers": None}, "lacks relu5_2, relu5_1"),
        ({"content": tmp_path / "black.png"}, {"size": None}, "64 are needed"),
    ):
        with pytest.raises(InputError, match=words):
            replace(job, **changes).run(**options)
    assert not job.output.exists()


@pytest.mark.parametrize(
    "values",
    [
        {"style_scale": 0.0},
        {"tile": 16},
        {"precision": "fp16"},
        {"temporal": -1.0},
        {"frame_steps": 0},
        {"preview_every": 0},
        {"gram": "none"},
        {"content_error": "none"},
        {"optimizer": "sgd"},
        {"init": "black"},
        {"content_weight": float("nan")},
        {"tv": -1.0},
        {"noise": 2.0},
        {"learning_rate": 0.0},
        {"beta1": 1.0},
        {"epsilon": 0.0},
        {"steps": 0},
        {"scales": (512, 256)},
        {"scales": (32,)},
        {"scales": "a"},
        {"size": 10},
        {"blend": (0.0, 0.0)},
        {"clip": 1.0, "optimizer": "lbfgs"},
    ],
)
def test_values_that_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(values))):
        PaintingOptions(**values)
