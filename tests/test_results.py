"""Results: attributes for Python, plain values for JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from realtime.media.live.recorder import Recording
from realtime.results import (
    BatchSummary,
    FailedVideo,
    Latency,
    LiveSummary,
    PartSummary,
    PicturesSummary,
    Progress,
    StageSummary,
    Summary,
    VideoSummary,
)

VIDEO = VideoSummary(
    input="in.mp4",
    output="out.mp4",
    style="x",
    frames=120,
    seconds=4.0,
    fps=30.0,
    stages={name: StageSummary(1.25, 96.0) for name in ("decode", "infer", "encode")},
    notes=("a", "b"),
    warnings=("c",),
)
PART = PartSummary(frames=3, stages={"infer": StageSummary(0.5, 6.0)}, decoder="software", notes=("n",))
FAILED = FailedVideo(input="a", output="b", error="c")
PICTURES = PicturesSummary(
    output="o", style="x", images=3, failed=1, seconds=1.0, fps=3.0, backend="torch", device="cpu", precision="fp32"
)


@pytest.mark.parametrize("summary", [VIDEO, PART, FAILED, PICTURES], ids=lambda summary: type(summary).__name__)
def test_summaries_survive_json(summary: Summary) -> None:
    assert type(summary).from_json(json.loads(json.dumps(summary.to_json()))) == summary


def test_json_holds_every_attribute_as_a_plain_value() -> None:
    values = VIDEO.to_json()
    assert values["stages"]["infer"] == {"busy_seconds": 1.25, "fps": 96.0}
    assert values["notes"] == ["a", "b"] and values["status"] == "done" and values["skipped"] is False
    assert set("input output style frames seconds fps backend device precision encoder audio_streams".split()) < set(
        values
    )


def test_a_batch_holds_its_videos() -> None:
    batch = BatchSummary(
        output="out", style="x", videos=(VIDEO, FAILED), done=1, skipped=0, failed=1, frames=120, seconds=4.0, fps=30.0,
        backend="torch", device="cpu", precision="fp32",
    )  # fmt: skip
    values = json.loads(json.dumps(batch.to_json()))
    assert [video["status"] for video in values["videos"]] == ["done", "failed"]
    assert VideoSummary.from_json(values["videos"][0]) == VIDEO


def test_a_live_run_holds_its_recordings() -> None:
    live = LiveSummary(
        source="camera 0", style="x", styles=("x", "y"), frames_in=10, frames_out=9, dropped=1, seconds=1.0, fps=9.0,
        latency_ms=Latency(p50=1.0, p95=2.0, p99=3.0, first_quarter_p99=3.0, last_quarter_p99=3.0),
        first_picture_seconds=None, backend="torch", device="cpu", precision="fp32", size="64x48", working_size="64x48",
        size_changes=0, camera_fps=30.0, reconnects=0, snapshots=0, virtual_camera=None, end="quit",
        recordings=(Recording(path="a.mkv", frames=9, seconds=1.0, encoder="libx264", sound=None),),
    )  # fmt: skip
    values = json.loads(json.dumps(live.to_json()))
    assert values["latency_ms"]["p95"] == 2 and values["recordings"][0]["frames"] == 9
    assert values["styles"] == ["x", "y"]


def test_replace() -> None:
    assert VIDEO.replace(frames=1).frames == 1 and VIDEO.frames == 120
    with pytest.raises(TypeError):
        VIDEO.replace(pictures=1)


def test_paths_become_text() -> None:
    assert PICTURES.replace(output=Path("a") / "b").to_json()["output"] == str(Path("a") / "b")


def test_progress() -> None:
    assert Progress(30, 120, 3.0).fps == 10
    assert Progress(0, None, 0.0).fps == 0
