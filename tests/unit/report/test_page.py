"""report.html: the answer first, everything inside one file, and no name that becomes markup."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from headstart.report.page import breakable, unbroken, use, write_report
from headstart.report.panels import PANELS
from headstart.tasks import TASKS
from tests.unit.report.made import CLEAN_AUDIT, jpeg, run
from tests.unit.report.runs import HOSTILE, RUNS, STARTERS, sample

VOID = {"meta", "img", "wbr", "br", "link", "input", "hr"}


class Seen(HTMLParser):
    """Tags with their attributes in order, the text, and whether every tag is closed in order."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.open, self.wrong = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, text):
        if not self.open or self.open[-1] != "style":
            self.text.append(text)

    @property
    def words(self):
        return re.sub(r"\s+", " ", "".join(self.text).replace("\u00a0", " "))

    def values(self, attribute):
        return [given[attribute] for _, given in self.tags if attribute in given]


def written(folder, made, **changes):
    result = replace(made.result, **changes)
    return write_report(folder, result, made.rows, made.audit, made.thumbnails).read_text()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    return {name: written(tmp_path_factory.mktemp(name), sample(name)) for name in RUNS}


def test_the_answer_comes_first(pages):
    words = Seen(pages["digits"]).words
    order = [
        "Transfer helped: 92.5 % of test pictures right",
        "Chosen: partial on starter:glyph",
        "Share of pictures right",
    ]
    order += ["Watch out for", "Use it", "The evidence", "Every metric", "Which source", "What was tried"]
    order += [
        "What was taken for what",
        "The mistakes it was surest of",
        "Can its confidence be believed?",
        "What is in the data",
    ]
    last = 0
    for part in order:
        assert part in words[last:]
        last = words.index(part, last)
    assert pages["digits"].count("<h1>") == 1


@pytest.mark.parametrize(
    ("kind", "command", "call"),
    [
        ("single", "headstart predict run new/*.jpg", 'model.predict("new/")'),
        ("span", "headstart ask run --context chapter.txt", 'model.predict([("a question", "its context")])'),
        ("language", 'headstart generate run --prompt "How it begins"', 'model.generate("How it begins")'),
    ],
)
def test_each_kind_of_model_says_how_it_is_used(kind, command, call):
    result = sample("digits").result
    found = use(replace(result, task={**result.task, "kind": kind}))
    assert f"headstart {found.verb} run {found.given}" == command
    assert f"model.{found.call}" == call


def test_the_title_is_the_verdict(pages):
    assert "<title>Transfer helped: builtin:digits" in pages["digits"]
    assert "<title>No verdict: photos" in pages["tags"]


@pytest.mark.parametrize("name", RUNS)
def test_it_is_whole_html(pages, name):
    seen = Seen(pages[name])
    assert seen.open == []
    assert seen.wrong == []
    names = seen.values("id")
    assert len(names) == len(set(names))
    known = set(names)
    assert {target.removeprefix("#") for target in seen.values("href")} <= known
    labels = [part for value in seen.values("aria-labelledby") for part in value.split()]
    assert set(labels) <= known


@pytest.mark.parametrize("name", RUNS)
def test_it_asks_nothing_of_any_network_and_runs_no_script(pages, name):
    page, seen = pages[name], Seen(pages[name])
    assert not {tag for tag, _ in seen.tags} & {"script", "link", "iframe", "object", "embed", "form", "base"}
    assert all(value.startswith("#") for value in seen.values("href"))
    assert all(value.startswith("data:image/") for value in seen.values("src"))
    assert not [name for _, given in seen.tags for name in given if name.startswith("on")]
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL).group(1)
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in page


def test_names_that_are_markup_stay_text(pages):
    page, seen = pages["hostile"], Seen(pages["hostile"])
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "{{ 7 * 7 }}" in page.replace("<wbr>", "")
    assert HOSTILE in seen.words
    assert "\\udce9" in page


def test_a_verdict_is_given_only_against_scratch(pages):
    words = Seen(pages["tags"]).words
    assert "no verdict on transfer, because the run was made without the from-scratch control" in words
    assert "Transfer helped" not in words
    assert "From scratch" not in words


def test_several_labels_have_no_confusion_matrix_and_nested_folds_are_told(pages):
    seen = Seen(pages["tags"])
    assert "confusion" not in seen.values("id")
    assert "calibration" not in seen.values("id")
    assert "#calibration" not in seen.values("href")
    assert "Share of pictures with every label right" in seen.words
    assert "each fold was predicted by a model whose whole search and training had not seen it" in seen.words
    assert "too few to measure" in seen.words
    assert "Each label counts by itself" in seen.words
    tags = [given["class"] for _, given in seen.tags if given.get("class", "").startswith("tag")]
    assert tags.count("tag") == 2  # in the short table and in the whole one
    assert "best of its fold" in seen.words


def test_every_control_and_trial_is_shown(pages):
    words = Seen(pages["digits"]).words
    for part in ("From scratch", "Random weights, frozen", "Classical method", "Most frequent class"):
        assert part in words
    assert "Failed: the loss is not finite at step 12" in words
    assert "a gap of +" in words


def test_cautions_stand_on_the_page(pages):
    assert "Training data held test examples." in Seen(pages["digits"]).words


def test_a_clean_run_says_so(tmp_path):
    made = sample("digits")
    result = replace(made.result, trials=[trial for trial in made.result.trials if not trial["error"]], gap=None)
    page = write_report(tmp_path, result, made.rows, CLEAN_AUDIT, made.thumbnails).read_text()
    assert "Nothing was found, neither in the data, nor in the controls, nor in the figures." in page
    assert "No duplicates, no leaks, nothing unreadable, nothing odd." in page


def test_each_confusion_cell_leads_to_its_examples(pages):
    seen = Seen(pages["digits"])
    cells = [value for value in seen.values("href") if value.startswith("#cell-")]
    counts = sample("digits").result.confusion["counts"]
    assert len(cells) == sum(1 for line in counts for number in line if number)
    assert len(seen.values("src")) > len(cells)


def test_hundreds_of_classes_stay_light_and_whole(tmp_path):
    count = 300
    truth = np.repeat(np.arange(count), 3)
    skills = {"floor-majority": -1.0, "transfer": 3.0}
    made = run(name="many", modality="image", classes=[f"class_{k:03d}" for k in range(count)], truth=truth, skills=skills,
               ids=[f"{n}.jpg" for n in range(len(truth))], ranking=STARTERS, thumbnails=jpeg)  # fmt: skip
    page = written(tmp_path, made)
    seen = Seen(page)
    assert len(page) < 3_000_000
    assert (seen.open, seen.wrong) == ([], [])
    assert "Commonest mistakes" in seen.words
    assert "The other 288 classes" in seen.words
    assert not [given for tag, given in seen.tags if given.get("class") in ("matrix", "map")]


def test_dozens_of_classes_are_a_map_that_scales(pages):
    (found,) = [given for tag, given in Seen(pages["intents"]).tags if given.get("class") == "map"]
    assert found["viewbox"] == f"0 0 {found['width']} {found['height']}"


def test_missing_thumbnails_leave_names(tmp_path):
    made = replace(sample("bees"), thumbnails=lambda name: None)
    seen = Seen(written(tmp_path, made))
    assert seen.values("src") == []
    wrong = [row.id for row in made.rows if not row.right]
    assert wrong[0] in seen.words


def test_without_mistakes_or_optional_evidence_the_page_stands(tmp_path):
    made = sample("digits")
    rows = [row for row in made.rows if row.right]
    result = replace(made.result, verdict=None, calibration=None, confusion=None, gap=None, trials=[], ranking=[])
    page = write_report(tmp_path, result, rows, {}, made.thumbnails).read_text()
    seen = Seen(page)
    assert (seen.open, seen.wrong) == ([], [])
    assert f"None: all {len(rows)} test pictures were answered right." in seen.words


def test_every_panel_has_a_template_and_a_name_of_its_own(pages):
    assert len({panel.name for panel in PANELS}) == len(PANELS)
    shown = {name for page in ("digits", "intents") for name in Seen(pages[page]).values("id")}
    of_classes = set(TASKS["single"].panels)
    assert {panel.name for panel in PANELS if panel.always or panel.name in of_classes} <= shown
    assert not {panel.name for panel in PANELS if not panel.always} - of_classes & shown
    assert {panel.name for panel in PANELS if not panel.always} == {name for task in TASKS.values() for name in task.panels}


def test_an_absolute_folder_is_shown_by_its_name_alone(tmp_path, pages):
    assert str(tmp_path) not in written(tmp_path, sample("digits"))


def test_the_same_run_gives_the_same_page(tmp_path):
    assert written(tmp_path, sample("tags")) == written(tmp_path, sample("tags"))


def test_unbroken_and_breakable_escape():
    assert unbroken("<b> 95.4 % (91–98)") == '&lt;b&gt; 95.4\u00a0%\u00a0<span class="whole">(91–98)</span>'
    assert unbroken("p < 0.001") == "p\u00a0&lt;\u00a00.001"
    assert breakable("a_b/<c>__d") == "a_<wbr>b/<wbr>&lt;c&gt;__<wbr>d"
