"""The real clips, each copied and compared; and the page with the results."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.clips import REAL_CLIPS, Clip
from tools.survey import TABLE, survey, table

NAMES = (
    "bear_480p_moving_camera.mp4", "bunny_1080p_rot_aac51.mp4", "counter_1080p_hevc.mp4", "dog_720p_aac.mp4",
    "flower_540p_aac.mp4", "flower_540p_vp8_vorbis.webm", "hdr10_av1_10bit.mp4", "nasa_two_audio_tracks.mp4",
    "phone_1080p_hevc10_hlg_rot_vfr.mp4", "phone_portrait_rot.mov", "road_540p_aac.mp4", "rotated_90_720p.mp4",
    "sar_2x1.mp4", "screen_vfr_odd_size.mp4", "vp9_10bit.webm", "webcam_480p_vfr.mov", "webcam_fullrange.mkv",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_lost(tmp_path: Path, name: str) -> None:
    if not (REAL_CLIPS / name).is_file():
        pytest.skip("the folder of real clips is not beside this checkout")
    row = survey(REAL_CLIPS / name, tmp_path)
    assert row.faults == []
    assert row.frames > 0


def test_the_page_lists_every_clip() -> None:
    lines = TABLE.read_text().splitlines()
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines if line.startswith("| ")][1:] == list(NAMES)


def test_a_fault_is_found(tmp_path: Path) -> None:
    """The survey reports sound that is missing and pictures that are too coarse."""
    source = Clip(tmp_path / "a.mp4", audio=["aac"], frames=30).make()

    def silent(source: Path, target: Path, quality: float) -> dict[str, object]:
        Clip(target, frames=29, options={"crf": "51"}).make()
        return {"frames": 29, "copied": [], "converted": [], "dropped": [], "notes": [], "warnings": ["oh"]}

    (tmp_path / "out").mkdir()
    row = survey(source, tmp_path / "out", silent)
    assert row.faults == ["warning: oh", "30 pictures in, 29 written, 29 out", "1 tracks of sound in, 0 out"]
    assert "a.mp4" in table([row])
