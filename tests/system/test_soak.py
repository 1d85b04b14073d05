"""A short form of `make soak`: a run that is killed a few times ends as if nothing had happened."""

from __future__ import annotations

import os
import subprocess
import sys


def test_killed_runs_end_like_whole_ones():
    # A process of its own: it forks, which one that has started threads may not do.
    done = subprocess.run(
        [sys.executable, "-m", "tests.system.soak", "--kills", "3", "--seed", "1"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("3 kills")
