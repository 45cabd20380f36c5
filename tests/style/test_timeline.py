"""Timelines: what may be written, what is refused, and which style a time has."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.errors import InputError
from realtime.style.timeline import MOST_BYTES, MOST_CHANGES, Change, Moment, Timeline, parse_timeline, read_timeline

EXAMPLE = Timeline((Change(0, "great-wave"), Change(12, "my.jpg", 2)))


def test_the_example_of_the_help() -> None:
    assert parse_timeline("0:00 great-wave, 0:12 my.jpg, morph 2") == EXAMPLE


def test_lines_comments_and_commas_mean_the_same() -> None:
    text = "# my film\r\n0:00 great-wave   # the sea\n\nmorph 2\n\t0:12 my.jpg,\n"
    assert parse_timeline(text) == EXAMPLE


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        ("7.25", 7.25),
        (".5", 0.5),
        ("1:02", 62),
        ("61:02.5", 3662.5),
        ("1:00:01", 3601),
        ("100:00:00", 360000),
    ],
)
def test_times(text: str, seconds: float) -> None:
    if text == "61:02.5":  # minutes stay below 60 once there are minutes
        with pytest.raises(InputError, match="neither seconds"):
            parse_timeline(f"0 a, {text} b")
        return
    assert parse_timeline(f"0 a, {text} b").changes[1].time == seconds


def test_without_a_morph_a_change_is_a_cut() -> None:
    assert parse_timeline("0 a, 5 b").changes[1].morph == 0


def test_an_entry_has_a_morph_of_its_own() -> None:
    changes = parse_timeline("0 a, 5 b morph 4, 10 c, 20 d morph 0, morph 1").changes
    assert [change.morph for change in changes] == [0, 4, 1, 0]


def test_the_first_style_counts_from_0() -> None:
    timeline = parse_timeline("0:05 a, 0:10 b")
    assert timeline.changes[0] == Change(0, "a")
    assert timeline.at(0) == timeline.at(-3) == Moment(0, 0)


@pytest.mark.parametrize(
    ("text", "style"),
    [
        ("0 'my picture, 2.jpg'", "my picture, 2.jpg"),
        ('0 "it\'s.jpg"', "it's.jpg"),
        ("0 it's.jpg", "it's.jpg"),
        ("0 a.jpg:0.6+great-wave:0.4", "a.jpg:0.6+great-wave:0.4"),
        ("0 great-wave:0.4+'my picture.jpg':0.6", "great-wave:0.4+my picture.jpg:0.6"),
        ("0 '#1.png'", "#1.png"),
        ("0 no#1.png", "no#1.png"),
        ("0 udnie:quality", "udnie:quality"),
        ("0 morph", "morph"),
        ("0 Ölbild.webp", "Ölbild.webp"),
    ],
)
def test_names(text: str, style: str) -> None:
    assert parse_timeline(text).styles == (style,)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no style"),
        (" ,\n# nothing\n,", "holds no style"),
        ("morph 2", "holds no style"),
        ("0 a, 10 b, 5 c", "c at 0:05 comes after b at 0:10"),
        ("0 a, 10 b, 0:10 c", "b and c both begin at 0:10"),
        ("0 a, -5 b", "negative"),
        ("0 a, 5", "not TIME STYLE"),
        ("a 0, b 5", "neither seconds"),
        ("0 a, 0:75 b", "neither seconds"),
        ("0 a, nan b", "neither seconds"),
        (f"0 a, {'9' * 400} b", "too large"),
        (f"0 a, {'9' * 400}:00:00 b", "too large"),
        ("0 a, 5 my picture.jpg", "quotes"),
        ("0 a, 5 b morph", "morph SECONDS"),
        ("0 a, 5 b morph -2", "neither seconds"),
        ("0 a, 5 b morph 2 3", "morph SECONDS"),
        ("0 a, 5 b, morph", "morph SECONDS"),
        ("0 a, 5 b, morph 1, morph 2", "once"),
        ("0 a morph 2, 5 b", "nothing to morph from"),
        ("0 a, 5 b morph 4, 8 c", "takes 4 s, longer than the 3 s until c"),
        ("0 a, 5 b, 6 c, morph 2", "takes 2 s, longer than the 1 s until c"),
        ("0 'a b, 5 c", "not closed"),
        ("0 'a\n5 c'", "not closed"),
        ("\n".join(f"{n} a" for n in range(MOST_CHANGES + 1)), "more than"),
    ],
)
def test_what_is_no_timeline(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        parse_timeline(text)


def test_a_morph_may_last_until_the_next_entry_and_beyond_the_last() -> None:
    assert parse_timeline("0 a, 1 b morph 0.7, 1.7 c morph 99").changes[2].morph == 99


def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "my timeline.txt"
    file.write_bytes("\ufeff0:00 great-wave\r\n0:12 my.jpg\r\nmorph 2\r\n".encode())
    assert read_timeline(file) == read_timeline(str(file)) == EXAMPLE
    assert read_timeline("0:00 great-wave, 0:12 my.jpg, morph 2") == EXAMPLE


def test_files_that_are_no_timeline(tmp_path: Path) -> None:
    (tmp_path / "big.txt").write_bytes(b"#" * (MOST_BYTES + 1))
    (tmp_path / "picture.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (tmp_path / "wrong.txt").write_text("0 a\n5")
    reasons = {
        "big.txt": "larger",
        "picture.jpg": "UTF-8",
        "wrong.txt": "wrong.txt: '5'",
        "none.txt": "no such",
        ".": "folder",
    }
    for name, reason in reasons.items():
        with pytest.raises(InputError, match=reason):
            read_timeline(tmp_path / name)
    for text in ("none.txt", "great-wave", "0:00", "a\0b"):
        with pytest.raises(InputError, match="no such timeline file|cannot be read"):
            read_timeline(text)


def test_the_style_of_a_time() -> None:
    timeline = parse_timeline("0 a, 10 b morph 4, 20 c")
    assert timeline.at(9.9) == Moment(0, 0)
    assert timeline.at(10) == Moment(0, 1, 0.0)
    assert timeline.at(11) == Moment(0, 1, 0.25)
    assert timeline.at(14) == timeline.at(19.99) == Moment(1, 1)
    assert timeline.at(20) == timeline.at(1e6) == Moment(2, 2)


def test_a_container_that_rounds_times_to_milliseconds_keeps_the_frame_of_a_cut() -> None:
    timeline = parse_timeline("0 a, 0.0333333 b")
    assert timeline.at(0.033).after == 1
    assert timeline.at(0.032).after == 0


def test_a_change_after_the_end_of_the_film_is_refused() -> None:
    with pytest.raises(InputError, match=r"changes to my.jpg at 0:12, but film.mp4 ends at 0:12"):
        EXAMPLE.check_length(12, "film.mp4")
    EXAMPLE.check_length(12.1, "film.mp4")
    parse_timeline("0:20 a").check_length(3, "film.mp4")


@given(
    st.lists(
        st.tuples(st.integers(1, 10**6), st.sampled_from("ab'\" ,#+ü"), st.integers(0, 1000)), min_size=1, max_size=9
    ),
    st.floats(-10, 10**7),
)
def test_what_is_written_is_read(parts: list[tuple[int, str, int]], time: float) -> None:
    """Times in milliseconds, odd names in quotes: the changes come back, and every time has one style or two."""
    times = [sum(gap for gap, _, _ in parts[: n + 1]) - parts[0][0] for n in range(len(parts))]
    entries, wanted = [], []
    for n, (now, (_, name, morph)) in enumerate(zip(times, parts, strict=True)):
        quote = "'" if name == '"' else '"'
        length = min(morph, times[n + 1] - now) if n + 1 < len(times) else morph
        entries.append(f"{now / 1000} {quote}x{name}{quote}" + (f" morph {length / 1000}" if n else ""))
        wanted.append((now / 1000, f"x{name}", length / 1000 if n else 0.0))
    timeline = parse_timeline("\n".join(entries))
    assert [(c.time, c.style, c.morph) for c in timeline.changes] == wanted
    moment = timeline.at(time)
    assert 0 <= moment.after - moment.before <= 1 and 0 <= moment.share < 1


@given(st.text(max_size=60))
def test_any_text_is_a_timeline_or_refused_with_a_reason(text: str) -> None:
    try:
        changes = parse_timeline(text).changes
    except InputError:
        return
    assert changes[0].time == 0
