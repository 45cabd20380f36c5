"""Several devices, as processes on the CPU: the frames, times and sound of one process, whatever is cut where."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from realtime.errors import DeviceLost, InputError, RestyleError
from realtime.jobs.multi_device import Fleet, Process, expand
from realtime.jobs.multi_device_worker import serve
from realtime.media.files import fragments
from realtime.media.files.fragments import work_folder
from realtime.media.files.frame_times import Unclear, picture_times
from realtime.media.files.probe import probe
from realtime.pipeline import Cancelled
from realtime.stylizer import Stylizer
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.network import identity_network
from tests.helpers.clips import Clip, audio_packets, decoded

FRAMES = 430
needs_cuda = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")


@pytest.fixture(scope="module")
def style(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("style") / "identity.safetensors"
    save_checkpoint(path, identity_network(), StyleCard("identity"))
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Longer than three fragments, with B-frames, few key frames, an uneven rate and sound."""
    steps = np.random.default_rng(1).integers(200, 1200, FRAMES)
    times = [0, *np.cumsum(steps)[:-1].tolist()]
    path = tmp_path_factory.mktemp("clip") / "a.mp4"
    return Clip(path, times=times, audio=["aac"], options={"crf": "10", "g": "70", "bf": "2"}).make()


@pytest.fixture(scope="module")
def fleet(style: Path) -> Any:
    with Fleet(style, ["cpu", "cpu"], backend="torch", precision="fp32", threads=1) as made:
        yield made


@pytest.fixture(scope="module")
def alone(style: Path, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("alone") / "b.mp4"
    Stylizer(style, backend="torch", device="cpu", precision="fp32", threads=1).video(clip, target, quality=10)
    return target


def same(a: Path, b: Path) -> None:
    ours, theirs = decoded(a), decoded(b)
    assert [f.time for f in ours] == [f.time for f in theirs]
    for x, y in zip(ours, theirs, strict=True):
        assert np.abs(x.to_ndarray().astype(int) - y.to_ndarray()).mean() < 2
    assert [p[:2] for p in audio_packets(a)] == [p[:2] for p in audio_packets(b)]


def test_one_file_in_parts(fleet: Fleet, clip: Path, alone: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.mp4"
    seen: list[int] = []
    summary = fleet.video(clip, target, quality=10, progress=lambda now: seen.append(now.frames))
    assert (summary["frames"], summary["parts"], summary["device"]) == (FRAMES, 2, "cpu,cpu")
    assert summary["audio_streams"] == 1 and summary["resumed"] == 0
    assert all(stage["busy_seconds"] > 0 for stage in summary["stages"].values())
    assert os.listdir(tmp_path) == ["b.mp4"]
    assert seen == sorted(seen)
    same(alone, target)


def test_earlier_work_is_kept(fleet: Fleet, style: Path, clip: Path, alone: Path, tmp_path: Path) -> None:
    """Also where it has holes: a part that was cut short, and one that was not."""
    target = tmp_path / "b.mp4"
    parts, done = fleet.first.plan_parts(clip, target, 3, quality=10)
    assert done == 0 and [(p.first, p.count) for p in parts] == [(0, 1), (1, 1), (2, 1)]
    fleet.first.paint_part(clip, target, parts[1], quality=10)
    assert sorted(path.name for path in work_folder(target).glob("0*.json")) == ["000001.json"]
    summary = fleet.video(clip, target, quality=10, resume=True)
    assert (summary["resumed"], summary["parts"]) == (fragments.FRAMES, 2)
    same(alone, target)


def test_a_part_that_fails_leaves_the_others(fleet: Fleet, clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.mp4"
    parts, _ = fleet.first.plan_parts(clip, target, 3, quality=10)
    fleet.first.paint_part(clip, target, parts[0], quality=10)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        fleet.first.paint_part(clip, target, parts[1], quality=10, cancel=stop)
    assert (work_folder(target) / "000000.json").exists()
    with pytest.raises(InputError, match="another encoder"):
        fleet.first.paint_part(clip, target, parts[1], quality=10, encoder="mpeg4")
    assert (work_folder(target) / "000000.json").exists()


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"start": 1.0}, "a range"), ({"end": 3.0}, "a range"), ({}, "too short")],
)
def test_what_one_device_does_alone(
    fleet: Fleet, clip: Path, tmp_path: Path, options: dict[str, Any], reason: str
) -> None:
    source = clip if options else Clip(tmp_path / "short.mp4", frames=30).make()
    summary = fleet.video(source, tmp_path / "b.mp4", **options)
    assert summary["parts"] == 1
    assert any("cpu alone" in note and reason in note for note in summary["notes"])
    assert not work_folder(tmp_path / "b.mp4").exists()


def test_times_that_are_not_those_of_the_packets(
    fleet: Fleet, clip: Path, alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found when the parts are joined: then one device does it alone."""
    from realtime.media.files import times

    real = times.picture_times
    monkeypatch.setattr(times, "picture_times", lambda path, info: real(path, info)[1:])
    summary = fleet.video(clip, tmp_path / "b.mp4", quality=10)
    assert summary["parts"] == 1 and any("not those of its packets" in note for note in summary["notes"])
    same(alone, tmp_path / "b.mp4")


def test_several_files(fleet: Fleet, clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b", "c"):
        Clip(folder / f"{name}.mp4", frames=20 + ord(name)).make()
    (folder / "d.mp4").write_bytes(b"no video")
    told: list[dict[str, Any]] = []
    summary = fleet.videos([folder], tmp_path / "out", done=told.append, size=(48, 32))
    assert (summary["done"], summary["failed"], summary["skipped"]) == (3, 1, 0)
    assert summary["frames"] == sum(20 + ord(name) for name in "abc")
    assert {Path(entry["output"]).name for entry in told} == {"a.mp4", "b.mp4", "c.mp4", "d.mp4"}
    [failed] = [entry for entry in told if entry["status"] == "failed"]
    assert "d.mp4" in failed["error"]
    assert sorted(os.listdir(tmp_path / "out")) == ["a.mp4", "b.mp4", "c.mp4"]
    assert decoded(tmp_path / "out" / "a.mp4")[0].width == 48


def test_cancelled(style: Path, clip: Path, tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with Fleet(style, ["cpu", "cpu"], backend="torch", precision="fp32", threads=1) as made:
        with pytest.raises(Cancelled):
            made.video(clip, tmp_path / "b.mp4", cancel=cancel)
    assert os.listdir(tmp_path) == []


def test_a_process_that_dies() -> None:
    code = "import sys; print('no driver', file=sys.stderr); sys.exit(3)"
    process = Process("cpu", {"style": "x"}, command=(sys.executable, "-c", code))
    with pytest.raises(DeviceLost, match=r"cpu: its process ended with code 3 \(no driver\)"):
        process.start()
    process.end()


def test_a_device_that_is_not_there(style: Path, clip: Path, tmp_path: Path) -> None:
    with Fleet(style, ["cpu", "cuda:99"], backend="torch", precision="fp32", threads=1) as made:
        with pytest.raises(InputError, match="cuda:99"):
            made.video(clip, tmp_path / "b.mp4")
    assert os.listdir(tmp_path) == []


def test_a_worker_answers_line_by_line(style: Path, tmp_path: Path) -> None:
    source = Clip(tmp_path / "a.mp4", frames=10).make()
    lines = [
        {"style": str(style), "backend": "torch", "device": "cpu", "precision": "fp32", "threads": 1},
        {"input": str(source), "output": str(tmp_path / "b.mp4"), "options": {}},
        {"input": str(tmp_path / "none.mp4"), "output": str(tmp_path / "c.mp4"), "options": {}},
    ]
    answers: list[Any] = []
    asked = threading.Event()

    def given() -> Any:
        yield from map(json.dumps, lines)
        asked.wait(60)  # an input that ends ends the work

    def say(answer: Any) -> None:
        answers.append(dict(answer))
        if "error" in answer:
            asked.set()

    serve(given(), say)
    assert "ready" in answers[0]
    assert [a["done"]["frames"] for a in answers if "done" in a] == [10]
    assert (answers[-1]["code"], answers[-1]["hopeless"]) == (2, False)
    assert "no such file" in answers[-1]["error"]


def test_a_worker_without_a_style() -> None:
    answers: list[Any] = []
    serve([json.dumps({"style": "no-such-style", "device": "cpu"})], answers.append)
    assert answers[0]["code"] == 2
    serve([], answers.append)
    assert len(answers) == 1


def test_times_from_packets(clip: Path, tmp_path: Path) -> None:
    times = picture_times(clip, probe(clip))
    base = probe(clip).time_base
    assert [float(t * base) for t in times] == pytest.approx([f.time for f in decoded(clip)])
    stream = Clip(tmp_path / "a.ts", frames=30).make()
    with pytest.raises(Unclear, match="clock may jump"):
        picture_times(stream, probe(stream))


def test_all_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert expand("cuda:0,cuda:2") == ["cuda:0", "cuda:2"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert expand("all") == ["cuda:0", "cuda:1", "cuda:2"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(InputError, match="no CUDA device"):
        expand("all")
    with pytest.raises(ValueError, match="two devices"):
        Fleet("starry-night", ["cpu"])
    assert issubclass(DeviceLost, RestyleError)


@needs_cuda
@pytest.mark.gpu
def test_two_gpus(style: Path, clip: Path, alone: Path, tmp_path: Path) -> None:
    with Fleet(style, ["cuda:0", "cuda:1"], backend="torch") as made:
        summary = made.video(clip, tmp_path / "b.mp4", quality=10)
    assert summary["parts"] == 2
    same(alone, tmp_path / "b.mp4")
