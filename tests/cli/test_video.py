"""`restyle video` and `restyle demo` with a stand-in for the work: what is asked for, and what is said about it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from realtime.cli import demo as demo_command
from realtime.cli import video as video_command

SUMMARY: dict[str, Any] = {
    "input": "in.mp4",
    "output": "out.mp4",
    "style": "starry-night",
    "frames": 120,
    "seconds": 4.0,
    "fps": 30.0,
    "backend": "torch",
    "device": "cpu",
    "precision": "bf16",
    "encoder": "libx264",
    "audio_streams": 1,
    "stages": {name: {"busy_seconds": 1.25, "fps": 96.0} for name in ("decode", "infer", "encode")},
    "warnings": [],
    "notes": [],
}


class Stylizer:
    """Stands in for the real one and notes what it is asked for."""

    def __init__(self, style: str, **engine: Any) -> None:
        self.name, self.asked_of_engine = style, engine
        self.asked: dict[str, Any] = {}
        self.summary = dict(SUMMARY)
        self.style = SimpleNamespace(name=style, label="The Starry Night, Vincent van Gogh, 1889")
        self.engine = SimpleNamespace(description="torch on cpu, bf16, 2 threads")

    def video(self, input: Path, output: Path, **options: Any) -> dict[str, Any]:
        self.asked = {"input": input, "output": output, **options}
        return self.summary

    def videos(self, inputs: list[Path], output: Path, *, done: Any, **options: Any) -> dict[str, Any]:
        self.asked = {"inputs": inputs, "output": output, **options}
        entries = [
            {**self.summary, "status": "done"},
            {"input": "b.mp4", "output": "out/b.mp4", "status": "failed", "error": "b.mp4: the file is empty"},
            {"input": "c.mp4", "output": "out/c.mp4", "status": "skipped"},
        ]
        for entry in entries:
            done(entry)
        counts = {"done": 1, "skipped": 1, "failed": 1, "frames": 120, "seconds": 4.0, "fps": 30.0}
        return {"output": str(output), "videos": entries, **counts}


@pytest.fixture
def stylizer(monkeypatch: pytest.MonkeyPatch) -> Stylizer:
    made = Stylizer("none")

    def make(style: str, **engine: Any) -> Stylizer:
        made.name, made.asked_of_engine = style, engine
        return made

    monkeypatch.setattr(video_command, "make_stylizer", make)
    monkeypatch.setattr(demo_command, "make_stylizer", make)
    return made


def test_every_option_arrives(restyle: Any, stylizer: Stylizer) -> None:
    done = restyle(
        *"video in.mp4 out.mkv --style a.safetensors --size 640x360 --strength 0.5 --keep-color --start 1:30".split(),
        *"--end 95.5 --encoder libx265 --quality 22 --compare --overwrite --hdr error --resume --skip-existing".split(),
        *"--decoder software".split(),
        *"--backend torch --device cuda:1 --precision fp16 --batch 3 --threads 2".split(),
    )
    assert done.code == 0, done.err
    assert stylizer.name == "a.safetensors"
    assert stylizer.asked_of_engine == {
        "backend": "torch",
        "device": "cuda:1",
        "precision": "fp16",
        "batch": 3,
        "threads": 2,
    }
    assert stylizer.asked == {
        "input": Path("in.mp4"),
        "output": Path("out.mkv"),
        "size": "640x360",
        "strength": 0.5,
        "keep_color": True,
        "start": 90.0,
        "end": 95.5,
        "encoder": "libx265",
        "quality": 22,
        "compare": True,
        "overwrite": True,
        "hdr": "error",
        "decoder": "software",
        "resume": True,
        "skip_existing": True,
        "progress": None,
        "trace": None,
    }


def test_the_defaults_leave_everything_as_it_is(restyle: Any, stylizer: Stylizer) -> None:
    assert restyle("video", "in.mp4", "out.mp4", "--style", "x").code == 0
    assert stylizer.asked_of_engine == {
        "backend": "auto",
        "device": "auto",
        "precision": "auto",
        "batch": None,
        "threads": None,
    }
    assert {name: stylizer.asked[name] for name in ("size", "strength", "keep_color", "start", "end", "encoder")} == {
        "size": None,
        "strength": 1.0,
        "keep_color": False,
        "start": None,
        "end": None,
        "encoder": "auto",
    }
    assert stylizer.asked["overwrite"] is False


def test_messages_go_to_stderr(restyle: Any, stylizer: Stylizer) -> None:
    stylizer.summary["notes"] = ["no compiler here: a slower path runs"]
    stylizer.summary["converted"] = ["audio 1 (vorbis) to aac"]
    stylizer.summary["dropped"] = ["video 3 (h264)"]
    stylizer.summary["warnings"] = ["2 damaged frames\nwere left out"]
    done = restyle("video", "in.mp4", "out.mp4", "--style", "x")
    assert done.out == ""
    assert done.err.splitlines() == [
        "The Starry Night, Vincent van Gogh, 1889: torch on cpu, bf16, 2 threads",
        "out.mp4: 120 frames in 4.0 s, 30.0 fps (busy: decode 1.2 s, infer 1.2 s, encode 1.2 s; encoder libx264)",
        "note: no compiler here: a slower path runs",
        "converted: audio 1 (vorbis) to aac",
        "left out: video 3 (h264)",
        "warning: 2 damaged frames were left out",
    ]


def test_json_is_the_summary_and_the_last_line(restyle: Any, stylizer: Stylizer) -> None:
    done = restyle("video", "in.mp4", "out.mp4", "--style", "x", "--json")
    assert done.json == SUMMARY
    assert len(done.out.splitlines()) == 1
    assert "120 frames" in done.err


def test_quiet_says_only_what_may_be_wrong(restyle: Any, stylizer: Stylizer) -> None:
    stylizer.summary["warnings"] = ["the sound is shorter"]
    stylizer.summary["notes"] = ["something"]
    assert restyle("video", "in.mp4", "out.mp4", "--style", "x", "-q").err == "warning: the sound is shorter\n"


def test_many_files(restyle: Any, stylizer: Stylizer, tmp_path: Path) -> None:
    """One line a file, a summary, and exit code 1 for the one that failed; the object is printed all the same."""
    stylizer.summary["output"] = "out/a.mp4"
    names = [tmp_path / name for name in ("a.mp4", "b.mp4", "c.mp4")]
    done = restyle("video", *names, tmp_path / "out", "--style", "x", "--json", "--format", "mkv", "--skip-existing")
    assert done.code == 1
    assert (stylizer.asked["inputs"], stylizer.asked["output"]) == (names, tmp_path / "out")
    assert (stylizer.asked["format"], stylizer.asked["skip_existing"]) == ("mkv", True)
    assert done.json["failed"] == 1
    assert [entry["status"] for entry in done.json["videos"]] == ["done", "failed", "skipped"]
    assert [line.partition(" (")[0] for line in done.err.splitlines()[1:]] == [
        "out/a.mp4: 120 frames in 4.0 s, 30.0 fps",
        "failed: b.mp4: the file is empty",
        "out/c.mp4: exists, skipped",
        f"{tmp_path / 'out'}: 1 restyled, 1 skipped, 1 failed; 120 frames in 4.0 s, 30.0 fps",
    ]


def test_many_files_need_a_folder(restyle: Any, stylizer: Stylizer) -> None:
    assert "folder" in restyle("video", "a.mp4", "b.mp4", "out.mp4", "--style", "x").error
    assert "at least one video" in restyle("video", "a.mp4", "--style", "x").error


def test_a_file_into_a_folder(restyle: Any, stylizer: Stylizer, tmp_path: Path) -> None:
    done = restyle("video", "in.wmv", tmp_path, "--style", "x", "--json")
    assert done.json == SUMMARY
    assert stylizer.asked["output"] == tmp_path / "in.mp4"


@pytest.fixture
def _clip(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the demo clip."""
    module = ModuleType("realtime.media.synthetic.demo")
    module.write_demo_clip = lambda path, **options: Path(path).write_bytes(b"clip")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "realtime.media.synthetic.demo", module)


@pytest.mark.usefixtures("_clip")
def test_demo_restyles_a_generated_clip(
    restyle: Any, stylizer: Stylizer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    done = restyle("demo", "--json")
    assert done.code == 0, done.err
    assert stylizer.name == "starry-night"
    assert stylizer.asked["output"] == Path("restyle-demo.mp4")
    assert not stylizer.asked["input"].exists()  # the clip is gone again
    assert done.json["input"] == "generated"
    assert str(tmp_path / "restyle-demo.mp4") in done.err


@pytest.mark.usefixtures("_clip")
def test_demo_does_not_replace_a_file(restyle: Any, stylizer: Stylizer, tmp_path: Path) -> None:
    output = tmp_path / "mine.mp4"
    output.write_bytes(b"precious")
    done = restyle("demo", output)
    assert done.code == 2
    assert "--overwrite" in done.error
    assert output.read_bytes() == b"precious"
    assert restyle("demo", output, "--overwrite").code == 0
    assert stylizer.asked["overwrite"] is True
