"""Sound: from FFmpeg's frames to an unbroken track, and a microphone that is none."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from realtime.errors import MediaError
from realtime.media.live import microphone as microphone_module
from realtime.media.live.microphone import Microphone, microphones
from realtime.media.live.recorder import SoundTrack
from realtime.media.live.sound import ArrivalClock, Sound, SoundFeed, sounds_of


def test_a_feed_keeps_nothing_unless_somebody_listens() -> None:
    feed, piece = SoundFeed(), Sound(np.zeros((1, 4), np.float32), 48000, 0.0)
    feed.put(piece)
    assert list(feed.take()) == []
    feed.listen(True)
    feed.put(piece)
    assert list(feed.take()) == [piece] and list(feed.take()) == []
    feed.put(piece)
    feed.listen(False)
    assert list(feed.take()) == []


@pytest.mark.parametrize("form", ["fltp", "flt", "s16", "s16p", "s32", "u8"])
@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
def test_samples_of_every_kind(form: str, layout: str) -> None:
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    kinds = {"flt": np.float32, "s16": np.int16, "s32": np.int32, "u8": np.uint8}
    kind = kinds[form.rstrip("p")] if form != "fltp" else np.float32
    half = {np.float32: 0.5, np.int16: 16384, np.int32: 2**30, np.uint8: 192}[kind]
    shape = (channels, 100) if form.endswith("p") else (1, 100 * channels)
    frame = av.AudioFrame.from_ndarray(np.full(shape, half, kind), format=form, layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = 8000, 16000, Fraction(1, 8000)
    piece = sounds_of(frame, 100.0)
    assert piece is not None
    assert piece.samples.shape == (min(channels, 2) if channels <= 2 else 1, 100)
    assert piece.samples.dtype == np.float32 and np.allclose(piece.samples, 0.5)
    assert (piece.rate, piece.time) == (8000, 102.0)


def test_the_clock_of_arrivals_takes_the_least_delay() -> None:
    clock, rng = ArrivalClock(), np.random.default_rng(0)
    offsets = [clock.offset(number / 50, 1000 + number / 50 + abs(rng.normal(0.0, 0.01))) for number in range(100)]
    assert offsets[-1] == pytest.approx(1000, abs=0.001)


RATE, PIECE = 44100, 1024


def impulses(tmp_path: Path, time_of: Callable[[int], float], pieces: int = 300) -> np.ndarray:
    """Errors in seconds of short sounds in a recorded track, each against the time that it was given."""
    path, wanted = tmp_path / "track.mka", []
    with av.open(str(path), "w") as container:
        track = SoundTrack(container, ("no-such-encoder", "pcm_s16le"), container.mux_one)
        assert track.codec == "pcm_s16le"
        for number in range(pieces):
            samples = np.zeros((1, PIECE), np.float32)
            if number % 10 == 5:
                samples[0, 500:520] = 1
                wanted.append(time_of(number) + 500 / RATE)
            track.hear(Sound(samples, RATE, 0.0), time_of(number))
        track.finish()
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    assert frames[0].pts == 0
    assert all(abs(float(a.time) + a.samples / 48000 - float(b.time)) < 0.002 for a, b in itertools.pairwise(frames))
    loud = np.flatnonzero(np.concatenate([f.to_ndarray().reshape(-1, 2)[:, 0] for f in frames]) > 12000)
    begins = np.array([loud[0], *loud[1:][np.diff(loud) > 100]]) / 48000
    kept = np.array([t for t in wanted if t > 0.01])
    assert len(begins) == len(kept)
    return begins - kept


STEP = PIECE / RATE


@pytest.mark.parametrize(
    ("time_of", "worst"),
    [
        (lambda n: n * STEP, 0.001),
        (lambda n: 0.5 + n * STEP, 0.001),  # the microphone was late: silence first
        (lambda n: n * STEP - 0.6, 0.001),  # it was early: the beginning is cut off
        (lambda n: n * STEP + (1.0 if n > 100 else 0.0), 0.001),  # a gap: silence
        (lambda n: n * STEP * 1.0005, 0.002),  # a sound card whose clock is slow
        (lambda n: n * STEP + 0.002 * (n % 3), 0.005),  # times that tremble
    ],
    ids=["plain", "late", "early", "gap", "slow", "trembling"],
)
def test_a_track_keeps_to_its_times(tmp_path: Path, time_of: Callable[[int], float], worst: float) -> None:
    assert np.abs(impulses(tmp_path, time_of)).max() < worst


def test_a_track_comes_into_step_again(tmp_path: Path) -> None:
    """The picture's delay grows by 30 ms: too little for silence, so the sound is stretched."""
    errors = np.abs(impulses(tmp_path, lambda n: n * STEP + (0.03 if n > 100 else 0.0)))
    assert errors[:9].max() < 0.001
    assert errors.max() < 0.031
    assert errors[-3:].max() < 0.003


def test_a_track_goes_on_when_the_sound_comes_in_another_form(tmp_path: Path) -> None:
    path = tmp_path / "track.mka"
    with av.open(str(path), "w") as container:
        track = SoundTrack(container, ["pcm_s16le"], container.mux_one)
        for shape, rate, begin in (((1, 8000), 8000, 0.0), ((2, 48000), 48000, 1.0)):
            track.hear(Sound(np.full(shape, 0.5, np.float32), rate, 0.0), begin)
        track.finish()
    with av.open(str(path)) as container:
        level = np.concatenate([f.to_ndarray().reshape(-1, 2)[:, 0] for f in container.decode(audio=0)]) / 32768
    assert len(level) / 48000 == pytest.approx(2.0, abs=0.01)
    assert np.median(level[:40000]) == pytest.approx(0.5, abs=0.01) == np.median(level[-40000:])


def test_a_microphone_hears() -> None:
    microphone = Microphone("lavfi:sine=frequency=1000:sample_rate=16000")
    try:
        microphone.feed.listen(True)
        begin, heard = time.perf_counter(), []
        while sum(piece.samples.size for piece in heard) < 3200 and time.perf_counter() < begin + 30:
            heard += microphone.feed.take()
            time.sleep(0.01)
        assert {piece.rate for piece in heard} == {16000}
        assert all(0 < b.time - a.time < 0.5 for a, b in itertools.pairwise(heard))
        now = time.perf_counter()
        assert all(now - 60 < piece.time < now for piece in heard)
        assert microphone.problem == ""
    finally:
        microphone.close()


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("nosuch:thing", "no input 'nosuch'"),
        ("lavfi:testsrc2=size=64x64", "gives no sound"),
        ("lavfi:nosuchfilter", "cannot be opened"),
    ],
)
def test_a_microphone_that_is_none(device: str, words: str) -> None:
    with pytest.raises(MediaError, match=words):
        Microphone(device)


def test_no_microphone_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone_module, "microphones", list)
    with pytest.raises(MediaError, match="--sound off"):
        Microphone()


def test_alsa_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = "00-00: ALC257 Analog : ALC257 Analog : playback 1 : capture 1\n00-03: HDMI 0 : HDMI 0 : playback 1\n"
    monkeypatch.setattr(Path, "read_text", lambda self: listing)
    assert microphones("linux") == ["alsa:default", "alsa:plughw:0,0"]
    assert microphones("plan9") == []
