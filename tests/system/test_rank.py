"""`headstart rank` and `headstart models` as a user meets them: the screen, the files, the page, and bad candidates."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.pictures import save
from tests.system.test_cli import Ended, headstart
from tests.tiny_models import timm_folder

from headstart.rank_record import RankResult
from headstart.report.rank_page import render

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of rings and bars with a test part that is darker, and a backbone of one's own."""
    folder, rng = tmp_path_factory.mktemp("home"), np.random.default_rng(0)
    for part, count, light in (("train", 30, 200), ("test", 24, 60)):
        for label in ("bar", "ring"):
            for number in range(count):
                pixels = rng.integers(0, 30, (32, 32, 3)) + (light // 4)
                at = 4 + number % 12
                if label == "bar":
                    pixels[:, at : at + 6] = light
                else:
                    pixels[at : at + 14, at : at + 14] = light
                    pixels[at + 4 : at + 10, at + 4 : at + 10] = 20
                save(folder / "shapes" / part / label / f"{number}.png", Image.fromarray(pixels.astype(np.uint8)))
    timm_folder(folder / "tiny")
    return folder


@pytest.fixture(scope="module")
def ranked(home: Path) -> Ended:
    """Both starters and one's own; one that is not there among them."""
    return headstart("rank", "shapes", "--models", "starter:natural,starter:glyph,tiny,gone", "--no-history", cwd=home)


@pytest.fixture(scope="module")
def record(home: Path, ranked: Ended) -> RankResult:
    return RankResult.read(home / "ranks" / "shapes" / "ranking.json")


def test_the_answer_comes_first_and_fits_the_screen(ranked: Ended) -> None:
    assert ranked.code == 0, ranked.err
    lines = ranked.out.splitlines()
    assert lines[0].startswith("Reuse starter:")
    assert all(len(line) <= 80 for line in lines[:-1])
    assert {"Sources", "Ahead", "Page"} <= {line.split()[0] for line in lines if line.strip()}


def test_a_candidate_that_is_not_there_is_left_out_and_said(ranked: Ended, record: RankResult) -> None:
    assert [one["name"] for one in record.dropped] == ["gone"]
    assert "gone" in ranked.err
    assert "Left out: gone" in ranked.out
    assert len(record.ranking) == 3


def test_the_record_holds_what_lies_ahead_of_each(record: RankResult) -> None:
    for entry in record.ranking:
        ahead = entry["outlook"]
        assert entry["low"] <= entry["score"] <= entry["high"]
        assert {cost["strategy"] for cost in ahead["costs"]} == {"probe", "partial", "full"}
        assert ahead["advice"]["strategy"] in {"probe", "partial", "full"}
        assert sum(ahead["forecast"]["chances"].values()) == pytest.approx(1)
        assert ahead["measures"]["batch_norm"] > 0
    natural = next(entry for entry in record.ranking if entry["backbone"] == "starter:natural")
    assert {"coverage", "frechet", "kid"} <= set(natural["outlook"]["measures"])
    assert len(natural["outlook"]["farthest"]["ids"]) == 5
    assert len(record.prior_sha256) == 64
    assert record.map[0]["name"] == "your data"


def test_test_data_that_look_different_are_said_without_their_labels(record: RankResult) -> None:
    assert any("look unlike the training examples" in note for note in record.notes)


def test_the_same_again_gives_the_same_and_computes_nothing_anew(home: Path, record: RankResult) -> None:
    words = (
        "rank",
        "shapes",
        "--models",
        "starter:natural,starter:glyph,tiny",
        "--no-history",
        "--json",
        "--out",
        "again",
    )
    again = headstart(*words, cwd=home)
    assert again.code == 0, again.err
    found = json.loads(again.out)
    assert [entry["backbone"] for entry in found["ranking"]] == [entry["backbone"] for entry in record.ranking]
    assert [entry["scores"] for entry in found["ranking"]] == [entry["scores"] for entry in record.ranking]


def test_none_that_can_be_used_is_an_error_with_every_reason(home: Path) -> None:
    ended = headstart("rank", "shapes", "--model", "gone", "--model", "lost", cwd=home)
    assert ended.code == 2
    last = ended.err.strip().splitlines()[-1]
    assert "gone" in last
    assert "lost" in last


def test_the_page_stands_by_itself(home: Path, record: RankResult) -> None:
    page = (home / "ranks" / "shapes" / "ranking.html").read_text()
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "data:image/jpeg;base64," in page
    assert render(json.loads((home / "ranks" / "shapes" / "ranking.json").read_text()), lambda name: None) != page


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium: install it (Debian: apt-get install chromium)")
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_opens_in_a_browser_and_fits_its_width(home: Path, record: RankResult, width: int) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: run `make install`")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = browser.new_page(viewport={"width": width, "height": 900})
        complaints = []
        page.on("console", lambda message: complaints.append(message.text))
        page.goto((home / "ranks" / "shapes" / "ranking.html").as_uri())
        assert page.locator("h1").inner_text().startswith("Reuse")
        assert page.locator("svg.map circle").count() >= 7
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert complaints == []
        browser.close()


def test_models_are_filtered_and_ones_own_are_kept(home: Path) -> None:
    data = {"cwd": home}
    listed = headstart("models", "--task", "classification", "--max-size", "6M", "--licence", "apache-2.0", **data)
    assert listed.code == 0, listed.err
    assert "timm:" in listed.out
    assert "resnet152" not in listed.out
    added = headstart("models", "add", "tiny", **data)
    assert added.code == 0, added.err
    assert str(home / "tiny") in headstart("models", **data).out
    removed = headstart("models", "remove", "tiny", **data)
    assert removed.code == 0
    assert str(home / "tiny") not in headstart("models", **data).out
    for words in (("models", "--task", "gardening"), ("models", "--max-size", "huge"), ("models", "add", "nowhere")):
        assert headstart(*words, **data).code == 2
