"""The network's promises: cost, locality, no grid."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from realtime.transnet.folding import fold
from realtime.transnet.hypernetwork import EMITTED
from realtime.transnet.network import (
    PLANE_CHANNELS,
    Architecture,
    Contours,
    InstanceNorm,
    TransNet,
    equalise_phases,
    identity_network,
    pack_planes,
    unpack_planes,
)
from tests.helpers.textured import LOCAL, TEXTURED, with_texture
from tests.helpers.transnets import LOCAL_BODIES, random_network

architectures = st.one_of(
    st.builds(
        Architecture,
        width=st.integers(1, 12),
        body=st.integers(1, 24),
        dilations=st.lists(st.integers(1, 3), max_size=3).map(tuple),
        norm=st.sampled_from(["none", "batch", "instance", "blocks"]),
        cell=st.just(cell),
        skip=st.booleans(),
        fine=st.lists(st.integers(1, 2), max_size=2).map(tuple),
        **planes,
    )
    for cell in (4, 8)
    for planes in (
        {"contours": st.sampled_from([(), (8,), (4, 32)])},
        {"contours": st.just(()), "texture": st.just(True)},
    )
)


@given(architectures)
def test_macs_are_those_that_run(architecture: Architecture) -> None:
    network = TransNet(architecture).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, architecture.inputs, 8, 8))
    assert counter.get_total_flops() / 2 / (32 * 32) == pytest.approx(architecture.macs_per_pixel)


@given(architectures)
def test_architecture_survives_json(architecture: Architecture) -> None:
    assert Architecture.from_dict(architecture.to_dict()) == architecture


def test_architectures_of_older_checkpoints_are_read() -> None:
    values = {"width": 8, "body": 16, "dilations": [1], "contours": [4], "convolution": "plain"}
    assert Architecture.from_dict(values) == Architecture(8, 16, (1,), contours=(4,))


@pytest.mark.parametrize(
    "values",
    [
        {"width": 0},
        {"dilations": [0]},
        {"contours": [0]},
        {"norm": "group"},
        {"phases": "odd"},
        {"convolution": "depthwise"},
        {"norm": "layer"},
        {"cell": 16},
        {"colour": 1},
        {"skip": 1},
        {"texture": "yes"},
        {"texture": True, "contours": [8]},
        {"fine": [0]},
    ],
)
def test_architecture_refuses(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="dilations" if "fine" in values else next(iter(values))):
        Architecture.from_dict(values)


def test_what_older_versions_do_not_know_is_stored_only_where_it_is_used() -> None:
    assert not {"skip", "fine", "texture"} & set(Architecture().to_dict())
    stored = EMITTED.to_dict()
    assert (stored["skip"], stored["fine"], stored["texture"]) == (True, [1, 2], True)


@settings(max_examples=20)
@given(architectures, st.integers(0, 5), st.floats(-2, 2), st.floats(-2, 2))
def test_a_flat_picture_stays_flat(architecture: Architecture, seed: int, luma: float, chroma: float) -> None:
    """No grid: all phases of a plane give the same value. Also at the borders, where padding is by replication."""
    network = random_network(architecture, seed)
    planes = torch.full((1, architecture.inputs, 8, 6), luma)
    planes[:, 16:] = chroma
    with torch.no_grad():
        y, uv = unpack_planes(network(planes))
    for plane in (y, uv[:, :1], uv[:, 1:]):
        # of 255: rounding of fp32 sums, which instance norm amplifies
        assert float(plane.max() - plane.min()) < (0.1 if architecture.instance_norm else 1e-2)


def test_free_phases_make_a_grid() -> None:
    """What the equalisation is for: without it the same picture is not flat."""
    network = random_network(Architecture(width=8, body=16, dilations=(1,), phases="free"))
    with torch.no_grad():
        y, _ = unpack_planes(network(torch.ones(1, 24, 8, 8)))
    assert float(y.max() - y.min()) > 1


def test_equalised_taps_sum_alike() -> None:
    weight, bias = equalise_phases(torch.randn(24, 5, 3, 3), torch.randn(24), (16, 4, 4))
    sums = weight.sum((2, 3))
    for group in (slice(0, 16), slice(16, 20), slice(20, 24)):
        assert torch.allclose(sums[group], sums[group][:1].expand_as(sums[group]), atol=1e-5)
        assert float(bias[group].max() - bias[group].min()) == 0


@pytest.mark.parametrize("body", LOCAL_BODIES, ids=str)
def test_what_a_pixel_becomes_is_local(body: dict) -> None:
    """No statistics over the picture: a change reaches no further than `reach`, and the bound is not idle."""
    architecture = Architecture(width=8, body=16, dilations=(1, 2), **body)
    network = random_network(architecture)
    size = 192
    y, uv = torch.rand(1, 1, size, size) * 255, torch.rand(1, 2, size // 2, size // 2) * 255
    furthest = 0
    for at in (90, 91, 95):
        changed = y.clone()
        changed[..., at, at] = 255 - changed[..., at, at]
        with torch.no_grad():
            a, b = (unpack_planes(network(with_texture(pack_planes(v, uv), architecture)))[0] for v in (y, changed))
        rows, columns = torch.nonzero((a != b)[0, 0], as_tuple=True)
        distance = max(int((rows - at).abs().max()), int((columns - at).abs().max()))
        furthest = max(furthest, distance)
    assert architecture.reach - 16 <= furthest <= architecture.reach


def test_instance_norm_is_blind_to_contrast_but_not_to_nothing() -> None:
    norm = InstanceNorm(5).eval()
    x = torch.randn(2, 5, 20, 30)
    with torch.no_grad():
        told, faint, flat = norm(x), norm(0.5 * x + 3), norm(1e-3 * x)
    assert torch.allclose(told.mean((2, 3)), torch.zeros(2, 5), atol=1e-5)
    assert torch.allclose(faint, told, atol=0.15)  # but for the floor
    assert float(flat.abs().max()) < 0.05  # what is all but flat stays so


def test_instance_norm_learns_what_is_usual_while_training_only() -> None:
    norm = InstanceNorm(3)
    before = norm.state_dict()["running_var"].clone()
    x = 7 + 4 * torch.randn(2, 3, 16, 16)
    norm.eval()(x)
    assert torch.equal(norm.running_var, before)
    norm.train()
    for _ in range(300):
        norm(x)
    assert torch.allclose(norm.running_mean, x.mean((0, 2, 3)), atol=0.1)
    assert torch.allclose(norm.running_var, x.var((2, 3), unbiased=False).mean(0), rtol=0.05)


@pytest.mark.parametrize(
    "architecture",
    [
        *(Architecture(width=8, body=16, dilations=(1,), norm="instance", cell=cell) for cell in (4, 8)),
        TEXTURED,
        Architecture(width=8, body=16, dilations=(), fine=(1,), norm="blocks"),
    ],
    ids=str,
)
def test_instance_norm_sees_the_whole_picture(architecture: Architecture) -> None:
    assert architecture.instance_norm
    network = random_network(architecture)
    planes = torch.randn(1, architecture.inputs, 24, 80)
    changed = planes.clone()
    changed[..., 60:] *= 3
    with torch.no_grad():
        a, b = network(planes)[..., :8], network(changed)[..., :8]
        two = network(torch.cat([planes, changed]))[..., :8]  # each picture for itself
    assert float((a - b).abs().max()) > 0.01
    assert torch.allclose(two, torch.cat([a, b]), atol=1e-4)


def test_norm_blocks_is_in_the_blocks_only() -> None:
    network = TransNet(TEXTURED)
    assert sum(isinstance(module, InstanceNorm) for module in network.modules()) == 4
    assert not any(type(module) is torch.nn.BatchNorm2d for module in network.modules())


def test_the_skip_brings_edges_to_the_last_layers() -> None:
    """What the body does not let through is seen all the same."""
    planes = torch.randn(1, LOCAL.inputs, 8, 8)
    for skip in (True, False):
        network = random_network(replace(LOCAL, skip=skip))
        with torch.no_grad():
            network.up.weight.zero_()
            seen = network(planes)
        assert (float(seen.std((2, 3)).max()) > 0.01) is skip


def test_plain_areas_are_painted_by_the_texture() -> None:
    planes = torch.zeros(1, LOCAL.inputs, 16, 16)
    network = random_network(LOCAL)
    with torch.no_grad():
        plain = network(planes)
        planes[:, PLANE_CHANNELS:] = torch.randn(1, 4, 16, 16)
        painted = network(planes)
    assert float(plain.std((2, 3)).max()) < 1e-3 < 0.01 < float(painted.std((2, 3)).min())


def test_planes_pack_and_unpack() -> None:
    y, uv = torch.rand(2, 1, 16, 24) * 255, torch.rand(2, 2, 8, 12) * 255
    packed = pack_planes(y, uv)
    assert packed.shape == (2, 24, 4, 6)
    for a, b in zip(unpack_planes(packed), (y, uv), strict=True):
        assert torch.allclose(a, b, atol=1e-4)


def test_identity_network_is_one() -> None:
    planes = pack_planes(torch.randint(0, 256, (1, 1, 32, 40)).float(), torch.randint(0, 256, (1, 2, 16, 20)).float())
    with torch.no_grad():
        assert torch.equal(identity_network()(planes), planes)


def test_contours_give_a_faint_ramp_full_contrast() -> None:
    """A ramp of one code over eight cells turns the finest wave by a quarter of its four codes."""
    contours = Contours((4, 8))
    luma = torch.full((1, 24, 2, 32), 0.0)
    luma[:, :16] = (torch.arange(32) // 2 / 8 / 64).view(1, 1, 1, 32)  # cells of 8 px: 1/8 code each
    waves = contours(luma)
    assert waves.shape == (1, 12, 1, 16)
    assert float(waves[0, 0, 0, 8]) == pytest.approx(1, abs=1e-3)  # sine of a quarter turn: one code of four
    assert float(waves[0, 1, 0, 8]) == pytest.approx(0.5**0.5, abs=1e-3)  # of an eighth: one code of eight
    assert torch.allclose(waves[:, :6] ** 2 + waves[:, 6:] ** 2, torch.ones(1))  # sine and cosine
    assert float(waves[0, 2:6].abs().max()) == 0  # chroma does not change


def test_contours_keep_their_phase_in_half_precision() -> None:
    """Folded and cast, the phases are computed in fp32: codes far from the centre keep theirs."""
    network = random_network(Architecture(width=8, body=16, dilations=()))
    folded = fold(network)
    codes = torch.randint(-128, 128, (1, 24, 8, 8)).float()
    assert folded.contours is not None
    exact = folded.contours(codes)
    cast = folded.cast(torch.device("cpu"), torch.bfloat16)
    assert cast.contours is not None
    assert float((cast.contours(codes.bfloat16()).float() - exact).abs().max()) < 0.005  # bf16's own rounding
