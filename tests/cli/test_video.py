"""`restyle video` and `restyle demo`: real small files, what is said about them, and what is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.clips import Clip, audio_packets, decoded
from tests.helpers.commands import Restyle, Result

ENGINE = ["--backend", "torch", "--device", "cpu", "--precision", "fp32", "--threads", "1"]
KEYS = "input output style frames seconds fps backend device precision encoder audio_streams stages notes warnings"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 frames at 25 fps of 96x64 pixels, with sound that MP4 cannot hold as it is."""
    path = tmp_path_factory.mktemp("clip") / "clip.mkv"
    return Clip(path, audio=["vorbis"]).make()


@pytest.fixture
def video(restyle: Restyle, identity: Path):  # type: ignore[no-untyped-def]
    """Runs `restyle video` with a style that changes nothing."""

    def run(*args: object) -> Result:
        return restyle("video", "--style", identity, *ENGINE, *args)

    return run


def test_options_reach_the_work(video: Restyle, clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mkv"
    target.write_bytes(b"old")
    done = video(
        clip, target, *"--size 64x48 --strength 0.5 --keep-color --start 0:00.2 --end 0.6 --encoder mpeg4".split(),
        *"--quality 4 --compare --overwrite --hdr error --decoder software --batch 3 --json".split(),
    )  # fmt: skip
    assert done.code == 0, done.err
    summary = done.json
    assert set(KEYS.split()) <= set(summary)
    assert (summary["working_size"], summary["frames"], summary["encoder"]) == ("64x48", 10, "mpeg4")
    assert (summary["style"], summary["backend"], summary["precision"]) == ("identity", "torch", "fp32")
    pictures = decoded(target)
    assert (len(pictures), pictures[0].width, pictures[0].height) == (10, 64, 48)


def test_messages_go_to_stderr(video: Restyle, clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    done = video(clip, target)
    assert (done.code, done.out) == (0, "")
    lines = done.err.splitlines()
    assert lines[0] == "identity: torch on cpu, fp32, 1 thread"
    assert lines[1].startswith(f"{target}: 24 frames in ") and "encoder libx264" in lines[1]
    assert any(line.startswith("converted: audio 1 (vorbis)") for line in lines[2:])
    assert len(audio_packets(target)) == 1


def test_json_is_the_last_line_and_quiet_says_nothing(video: Restyle, clip: Path, tmp_path: Path) -> None:
    done = video(clip, tmp_path / "out.mkv", "--json", "--quiet")
    assert (done.code, done.err, len(done.out.splitlines())) == (0, "", 1)
    assert done.json["output"] == str(tmp_path / "out.mkv")
    assert set(done.json["stages"]) == {"decode", "infer", "encode"}


def test_quiet_does_not_hide_warnings(video: Restyle, clip: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size * 2 // 3])
    done = video(cut, tmp_path / "out.mkv", "--quiet")
    assert done.code == 0
    assert done.err.startswith("warning: ") and "cut.mkv" in done.err


def test_several_files(video: Restyle, clip: Path, tmp_path: Path) -> None:
    """A line for each, a summary, and exit code 1 for the one that failed; the object is printed all the same."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    (folder / "a.mkv").write_bytes(clip.read_bytes())
    (folder / "b.mkv").write_bytes(b"no video")
    (folder / "c.mkv").write_bytes(clip.read_bytes())
    (out / "c.mov").write_bytes(b"there already")
    done = video(folder, out, "--json", "--format", "mov", "--skip-existing", "--end", "0.2")
    assert done.code == 1
    assert (done.json["done"], done.json["skipped"], done.json["failed"], done.json["frames"]) == (1, 1, 1, 5)
    assert [entry["status"] for entry in done.json["videos"]] == ["done", "failed", "skipped"]
    lines = [line for line in done.err.splitlines()[1:] if not line.startswith(("note:", "converted:"))]
    assert lines[0].startswith(f"{out / 'a.mov'}: 5 frames in ")
    assert lines[1].startswith("failed: ") and "b.mkv" in lines[1]
    assert lines[2] == f"{out / 'c.mov'}: exists, skipped"
    assert lines[3].startswith(f"{out}: 1 restyled, 1 skipped, 1 failed; 5 frames in ")


def test_a_file_into_a_folder(video: Restyle, tmp_path: Path) -> None:
    source = Clip(tmp_path / "in.avi", frames=5, codec="mpeg4").make()
    (tmp_path / "out").mkdir()
    done = video(source, tmp_path / "out", "--json", "-q")
    assert done.json["output"] == str(tmp_path / "out" / "in.avi")
    assert len(decoded(tmp_path / "out" / "in.avi")) == 5


def test_on_two_devices(video: Restyle, clip: Path, tmp_path: Path) -> None:
    done = video(clip, tmp_path / "out.mkv", "--device", "cpu,cpu", "--json")
    assert done.code == 0, done.err
    assert any("painted on cpu alone" in note for note in done.json["notes"])
    assert "an engine on each of cpu, cpu" in done.err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["a.mp4", "b.mp4", "out.mp4"], "folder"),
        (["a.mp4"], "at least one video"),
        (["a.mp4", "out.mp4", "--device", "cpu,auto"], "name each of several devices"),
        (["a.mp4", "b.mp4", "out", "--profile", "trace.json"], "--profile is for one video"),
        (["a.mp4", "out.mp4", "--device", "cpu,cpu", "--profile", "trace.json"], "--profile is for one device"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_combinations(restyle: Restyle, args: list[str], words: str) -> None:
    done = restyle("video", *args, "--style", "starry-night")
    assert done.code == 2 and words in done.error


# The demonstration


def test_demo_restyles_a_generated_clip(restyle: Restyle, gray: Path, tmp_path: Path) -> None:
    target = tmp_path / "demo.mp4"
    done = restyle("demo", target, "--seconds", "0.3", "--style", gray, *ENGINE, "--json")
    assert done.code == 0, done.err
    assert (done.json["input"], done.json["style"], done.json["audio_streams"]) == ("generated", "gray", 1)
    assert len(decoded(target)) == done.json["frames"] > 5
    assert str(target) in done.err.splitlines()[-1]


def test_demo_does_not_replace_a_file(restyle: Restyle, gray: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine.mp4"
    target.write_bytes(b"precious")
    args = ["demo", target, "--seconds", "0.1", "--style", gray, *ENGINE]
    done = restyle(*args)
    assert done.code == 2 and "--overwrite" in done.error
    assert target.read_bytes() == b"precious"
    assert restyle(*args, "--overwrite").code == 0
    assert decoded(target)
