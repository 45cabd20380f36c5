"""Several processes: they share gradients, and stay equal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from realtime.training.any_painting.processes import Processes
from realtime.transnet.hypernetwork import load_any_painting


def test_one_process_agrees_with_itself() -> None:
    with Processes("cpu") as processes:
        assert (processes.rank, processes.count, processes.device.type) == (0, 1, "cpu")
        assert processes.agree(3.5, True) == (3.5, True)
        assert float(processes.mean(torch.tensor(2.0))) == 2


PROGRAM = """
import json
from pathlib import Path
import torch
from realtime.training.any_painting.processes import Processes
with Processes("cpu") as processes:
    mean = float(processes.mean(torch.tensor(float(processes.rank))))
    found = [processes.agree(10.0 + processes.rank, processes.rank == 1), mean]
    Path(f"{processes.rank}.json").write_text(json.dumps(found))
"""


def torchrun(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *words]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    return subprocess.run(program, cwd=cwd, env=environment, capture_output=True, text=True, timeout=500)


@pytest.mark.slow
def test_two_processes_agree(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    done = torchrun("program.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)] == 2 * [[[10.0, True], 0.5]]


@pytest.mark.slow
def test_two_processes_train_one_network(tmp_path: Path, paintings: Path, photographs: Path) -> None:
    options = "--width 8 --body 8 --dilations 1 --size 80 --paintings 2 --contents 1 --threads 1 --device cpu --json"
    words = ["-m", "realtime.cli", "train", "--any", str(paintings), "--content", str(photographs), *options.split()]
    done = torchrun(*words, "--steps", "2", "--output", "any.safetensors", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()  # the first process speaks for all
    summary = json.loads(line)
    assert (summary["processes"], summary["steps"], summary["skipped"]) == (2, 2, 0)
    assert load_any_painting(tmp_path / "any.safetensors")[1].recipe["processes"] == 2
