"""OpenCV, loaded or not: a reason in one line, and nothing left over from its loader."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from realtime.errors import RestyleError
from realtime.media import opencv
from realtime.media.convert.optical_flow import FlowEstimator, gray
from realtime.media.convert.rgb import frame_from_rgb, resize_image


def test_it_loads() -> None:
    pytest.importorskip("cv2")
    assert opencv.load().__name__ == "cv2"


def test_the_reason_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """OpenCV's own loader fails like this where libGL.so.1 is missing; a second call must fail in the same way."""
    (tmp_path / "cv2").mkdir()
    (tmp_path / "cv2" / "__init__.py").write_text(
        "import sys\n"
        "if hasattr(sys, 'OpenCV_LOADER'):\n"
        "    raise ImportError('ERROR: recursion is detected')\n"
        "sys.OpenCV_LOADER = True\n"
        "sys.path.insert(1, 'left over')\n"
        "raise ImportError('libGL.so.1: cannot open shared object file:\\nNo such file or directory')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    before = sys.path.copy()
    for _ in range(2):
        with pytest.raises(RestyleError) as caught:
            opencv.load()
        message = str(caught.value)
        assert message.startswith("OpenCV cannot be loaded (libGL.so.1: cannot open shared object file: No such file")
        assert "apt install libgl1 libglib2.0-0" in message
        assert "pip install opencv-python-headless" in message
        assert "\n" not in message
        assert sys.path == before
        assert not hasattr(sys, "OpenCV_LOADER")


def test_functions_that_need_it_report_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    rgb = np.zeros((16, 16, 3), np.uint8)
    for work in (
        lambda: resize_image(rgb, 8),
        lambda: frame_from_rgb(rgb),
        lambda: gray(rgb),
        FlowEstimator,
    ):
        with pytest.raises(RestyleError, match="OpenCV cannot be loaded"):
            work()
