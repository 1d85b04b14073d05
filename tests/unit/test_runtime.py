"""What memory this process may take, as the kernel tells it."""

from __future__ import annotations

import sys

import pytest
import torch

from headstart import runtime
from headstart.runtime import free_memory, random_state_kept


def _written(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_what_is_free_is_some_of_what_there_is():
    assert 0 < free_memory() < sys.maxsize


def test_the_machine_says_what_it_can_give(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 100 kB\nMemFree: 3 kB\nMemAvailable: 40 kB\n")
    assert runtime._available(tmp_path) == 40 * 1024
    assert runtime._available(tmp_path / "none") > 2**20


def test_a_group_of_version_2_gives_the_least_that_any_above_it_leaves(tmp_path):
    root, own = tmp_path / "cgroup", tmp_path / "own"
    own.write_text("0::/pod/app\n")
    _written(root / "pod" / "app", memory__max="max\n", memory__current="500\n", memory__stat="inactive_file 30\n")
    _written(root / "pod", memory__max="1000\n", memory__current="700\n", memory__stat="anon 5\ninactive_file 200\n")
    assert runtime._left_to_group(root, own) == 1000 - 700 + 200
    _written(root / "pod" / "app", memory__max="510\n")
    assert runtime._left_to_group(root, own) == 510 - 500 + 30
    _written(root / "pod", memory__current="5000\n")
    assert runtime._left_to_group(root, own) == 0


def test_a_group_of_version_1_and_one_that_a_container_shows_as_the_root(tmp_path):
    root, own = tmp_path / "cgroup", tmp_path / "own"
    own.write_text("9:name=systemd:/x\n4:memory:/docker/abc\n3:cpu,cpuacct:/\n")
    assert runtime._left_to_group(root, own) == sys.maxsize
    _written(
        root / "memory",
        memory__limit_in_bytes="4000\n", memory__usage_in_bytes="1000\n", memory__stat="total_inactive_file 100\n",
    )  # fmt: skip
    assert runtime._left_to_group(root, own) == 3100
    assert runtime._left_to_group(root, tmp_path / "none") == sys.maxsize


def test_what_is_drawn_meanwhile_is_given_back():
    torch.manual_seed(0)
    first = torch.rand(3)
    torch.manual_seed(0)
    with random_state_kept():
        torch.rand(100)
    assert torch.equal(torch.rand(3), first)


@pytest.mark.parametrize(("precision", "settled"), [("auto", False), ("fp32", True), ("bf16", True)])
def test_a_precision_that_was_named_is_settled(precision, settled):
    assert runtime.place("cpu", precision=precision).settled == settled
