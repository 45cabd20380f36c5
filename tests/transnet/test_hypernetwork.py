"""The network that takes any painting: what it emits is a TransNet, and files say what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from realtime.errors import StyleError
from realtime.transnet.checkpoint import StyleCard, load_checkpoint, save_checkpoint
from realtime.transnet.gallery import any_painting_files
from realtime.transnet.hypernetwork import (
    CONTENT_WEIGHTS,
    EMITTED,
    AnyPaintingCard,
    EmittedTransNet,
    Encoder,
    HyperNetwork,
    content_weight,
    load_any_painting,
    load_encoder,
    save_any_painting,
    save_encoder,
    statistics_count,
)
from realtime.transnet.network import Architecture, InstanceNorm
from tests.helpers.textured import TEXTURED

NAMES = ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv3_4", "conv4_1"]
WIDTHS = [3, 64, 64, 128, 128, 256, 256, 256, 256, 512]


def small() -> HyperNetwork:
    """Random, with last convolutions and norms that are not at their beginnings."""
    torch.manual_seed(0)
    network = HyperNetwork(TEXTURED, kernels=3, code=16, hidden=24).eval()
    with torch.no_grad():
        for value in network.parameters():
            value.add_(torch.randn(value.shape) * 0.02)
    return network


def paintings(count: int) -> Tensor:
    return torch.randn(count, statistics_count(), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def encoder_weights() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    weights: dict[str, Tensor] = {}
    for name, before, after in zip(NAMES, WIDTHS, WIDTHS[1:], strict=False):
        weights[f"{name}.weight"] = torch.randn(after, before, 3, 3, generator=generator) * (2 / before / 9) ** 0.5
        weights[f"{name}.bias"] = torch.zeros(after)
    return weights


@pytest.mark.parametrize("architecture", [TEXTURED, Architecture(8, 16, (1,), "blocks", ())], ids=str)
def test_many_paintings_side_by_side_are_each_painted_by_its_own_network(architecture: Architecture) -> None:
    torch.manual_seed(0)
    network = HyperNetwork(architecture, kernels=3).eval()
    statistics, paint, stroke = paintings(3), torch.tensor([0.0, 0.5, 1.0]), torch.tensor([0.5, 1.0, 2.0])
    pictures = torch.randn(3 * 2, architecture.inputs, 12, 16)  # two of each painting
    with torch.no_grad():
        together = EmittedTransNet(architecture).take(network.weights(network.code(statistics, paint, stroke)))
        painted = together(pictures)
        for n, own in enumerate(painted.split(2)):
            alone = network.emit(statistics[n], float(paint[n]), float(stroke[n]))
            assert not alone.training and alone.architecture == architecture
            assert torch.allclose(alone(pictures[2 * n : 2 * n + 2]), own, atol=1e-3)
    assert float((painted[0] - painted[2]).abs().max()) > 0.01


def test_training_reaches_every_weight() -> None:
    network = small().train()
    code = network.code(paintings(2), torch.tensor([0.2, 0.8]), torch.tensor([1.0, 1.5]))
    EmittedTransNet(TEXTURED).take(network.weights(code))(torch.randn(2, 28, 8, 8)).square().mean().backward()
    without = {name for name, value in network.named_parameters() if value.requires_grad and value.grad is None}
    assert {name.partition(".")[0] for name in without} == {"projections"}  # those make the statistics


def test_what_is_emitted_is_a_checkpoint_like_any_other(tmp_path: Path) -> None:
    emitted = small().emit(paintings(1)[0])
    save_checkpoint(tmp_path / "a.safetensors", emitted, StyleCard("a", architecture=TEXTURED))
    network, card = load_checkpoint(tmp_path / "a.safetensors")
    assert card.architecture == TEXTURED
    norms = [module for module in network.modules() if isinstance(module, InstanceNorm)]
    assert len(norms) == 4 and all(torch.equal(norm.running_var, torch.ones_like(norm.running_var)) for norm in norms)
    planes = torch.randn(1, 28, 8, 8)
    with torch.no_grad():
        assert torch.allclose(network(planes), emitted(planes), atol=2e-2)


def test_paint_and_stroke_change_what_is_emitted() -> None:
    network, statistics = small(), paintings(1)[0]
    default = network.emit(statistics)
    for other in (network.emit(statistics, paint=1.0), network.emit(statistics, stroke=2.0)):
        assert not torch.equal(other.stem.weight, default.stem.weight)
    assert torch.equal(network.emit(statistics).stem.weight, default.stem.weight)


def test_the_content_weight_is_even_in_its_logarithm() -> None:
    least, middle, most = content_weight(torch.tensor([0.0, 0.5, 1.0])).tolist()
    assert (least, most) == pytest.approx(CONTENT_WEIGHTS)
    assert middle == pytest.approx((least * most) ** 0.5)


def test_statistics_are_of_features_wherever_they_are() -> None:
    """Neither their places nor the painting's size count."""
    network = small()
    taps = [torch.randn(2, channels, 6, 10) for channels in (64, 128, 256, 512)]
    order = torch.randperm(60)
    moved = [tap.flatten(2)[..., order].unflatten(2, (6, 10)) for tap in taps]
    with torch.no_grad():
        found = network.statistics(taps)
        assert found.shape == (2, statistics_count())
        for other in (moved, [tap.repeat(1, 1, 2, 1) for tap in taps]):
            assert torch.allclose(network.statistics(other), found, atol=1e-4)
        assert not torch.allclose(network.statistics([tap + 1 for tap in taps]), found, atol=0.1)


def test_round_trip(tmp_path: Path) -> None:
    path, network = tmp_path / "any.safetensors", HyperNetwork(TEXTURED, kernels=2).eval()
    save_any_painting(path, network, AnyPaintingCard(TEXTURED, 2, "v7", {"steps": 3}))
    again, card = load_any_painting(path)
    assert (card.architecture, card.kernels, card.version, card.recipe) == (TEXTURED, 2, "v7", {"steps": 3})
    a, b = (net.emit(paintings(1)[0]) for net in (network, again))
    assert torch.allclose(a.stem.weight, b.stem.weight, atol=1e-2)  # kept in fp16


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "any.safetensors"
    save_any_painting(path, HyperNetwork(TEXTURED, kernels=1), AnyPaintingCard(TEXTURED, 1, "v1"))
    return path


def rewritten(path: Path, *, metadata: dict[str, str] | None = None, tensors: dict | None = None) -> Path:
    with safe_open(path, "pt") as file:
        old, values = file.metadata(), {k: file.get_tensor(k) for k in file.keys()}
    save_file(values | (tensors or {}), path, old | (metadata or {}))
    return path


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"format": "restyle-transnet"}, "not the network that takes any painting"),
        ({"format_version": "99"}, "newer restyle"),
        ({"format_version": "new"}, "damaged metadata"),
        ({"architecture": "{"}, "damaged metadata"),
        ({"architecture": json.dumps({"wings": 2})}, "damaged metadata"),
        ({"architecture": json.dumps({**TEXTURED.to_dict(), "width": 8.5})}, "damaged metadata"),
        ({"architecture": json.dumps({**TEXTURED.to_dict(), "width": 10**9})}, "do not fit|damaged metadata"),
        ({"architecture": json.dumps({**TEXTURED.to_dict(), "body": 24})}, "do not fit"),
        ({"kernels": "2"}, "do not fit"),
        ({"kernels": "-1"}, "damaged metadata"),
        ({"kernels": "1000000000000"}, "do not fit|damaged metadata"),
        ({"kernels": "many"}, "damaged metadata"),
        ({"recipe": "["}, "damaged metadata"),
    ],
)
def test_wrong_metadata(stored: Path, metadata: dict[str, str], reason: str) -> None:
    with pytest.raises(StyleError, match=rf"any\.safetensors.*({reason})"):
        load_any_painting(rewritten(stored, metadata=metadata))


def test_wrong_weights(stored: Path) -> None:
    with pytest.raises(StyleError, match="not finite"):
        load_any_painting(rewritten(stored, tensors={"second.bias": torch.full((256,), torch.inf).half()}))
    with pytest.raises(StyleError, match="do not fit"):
        load_any_painting(rewritten(stored, tensors={"extra": torch.zeros(1)}))


@pytest.mark.parametrize("keep", [0, 8, 2000])
@pytest.mark.parametrize("load", [load_any_painting, load_encoder])
def test_damaged_files(stored: Path, keep: int, load: object) -> None:
    stored.write_bytes(stored.read_bytes()[:keep])
    with pytest.raises(StyleError, match=r"any\.safetensors.*damaged"):
        load(stored)  # type: ignore[operator]
    with pytest.raises(StyleError, match="no such style file"):
        load(stored.with_name("none.safetensors"))  # type: ignore[operator]
    with pytest.raises(StyleError, match="folder"):
        load(stored.parent)  # type: ignore[operator]


def test_the_encoder_round_trip(tmp_path: Path, encoder_weights: dict[str, Tensor]) -> None:
    path = tmp_path / "encoder.safetensors"
    save_encoder(path, encoder_weights)
    pictures = torch.rand(2, 3, 32, 48)
    with torch.no_grad():
        a, b = Encoder(encoder_weights)(pictures), load_encoder(path)(pictures)
    assert [tap.shape for tap in a] == [(2, 64, 32, 48), (2, 128, 16, 24), (2, 256, 8, 12), (2, 512, 4, 6)]
    for x, y in zip(a, b, strict=True):
        assert torch.allclose(x, y, rtol=0.02, atol=0.02 * float(x.max()))


def test_an_encoder_of_another_shape_is_refused(tmp_path: Path, encoder_weights: dict[str, Tensor]) -> None:
    path = tmp_path / "encoder.safetensors"
    save_encoder(path, encoder_weights)
    for tensors in (
        {"conv2_1.weight": torch.zeros(128, 5, 3, 3)},
        {"conv4_1.bias": torch.zeros(7)},
        {"conv1_1.weight": torch.zeros(3)},
        {"conv1_2.weight": torch.full((64, 64, 3, 3), torch.nan)},
    ):
        save_encoder(path, encoder_weights | tensors)
        with pytest.raises(StyleError, match=r"encoder\.safetensors.*(damaged|do not fit)"):
            load_encoder(path)
    save_file({"conv1_1.weight": torch.zeros(64, 3, 3, 3)}, path, {"format": "restyle-encoder"})
    with pytest.raises(StyleError, match=r"encoder\.safetensors.*(damaged|do not fit)"):
        load_encoder(path)


def test_the_files_that_ship() -> None:
    network, card = load_any_painting(any_painting_files()[0])
    assert card.architecture == EMITTED == network.architecture
    encoder = load_encoder(any_painting_files()[1])
    with torch.no_grad():
        painting = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
        emitted = network.emit(network.statistics(encoder(painting))[0])
        painted = emitted(torch.randn(1, 28, 16, 16))
    assert painted.isfinite().all() and float(painted.std()) > 0.05
