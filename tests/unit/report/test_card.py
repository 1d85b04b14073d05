"""The model card: front matter that hubs can read, every figure with its interval, no name that breaks out."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from headstart.report.card import base_model, escaped, model_card
from tests.unit.report.runs import HOSTILE, RUNS, sample


def front_matter(card):
    """Each line is `key: JSON`, which is YAML too."""
    assert card.startswith("---\n")
    lines = card.split("---\n", 2)[1].splitlines()
    return {name: json.loads(value) for name, value in (line.split(": ", 1) for line in lines)}


def body(card):
    return card.split("---\n", 2)[2]


def test_front_matter_says_what_a_hub_asks_for():
    found = front_matter(model_card(sample("digits").result))
    assert found["license"] == "apache-2.0"
    assert found["library_name"] == "headstart"
    assert found["pipeline_tag"] == "image-classification"
    assert found["metrics"][0] == "accuracy"
    assert "base_model" not in found
    (index,) = found["model-index"]
    metrics = {metric["type"]: metric["value"] for metric in index["results"][0]["metrics"]}
    assert metrics["accuracy"] == sample("digits").result.test["transfer"]["accuracy"]["value"]


@pytest.mark.parametrize(
    ("licence", "told"),
    [
        ("MIT", {"license": "mit"}),
        ("research only", {"license": "other", "license_name": "research only"}),
        (None, {"license": "unknown"}),
    ],
)
def test_the_licence_is_named_as_hubs_name_it(licence, told):
    result = sample("digits").result
    chosen = {**result.chosen, "card": {**result.chosen["card"], "licence": licence}}
    found = front_matter(model_card(replace(result, chosen=chosen)))
    assert {name: value for name, value in found.items() if name.startswith("license")} == told


@pytest.mark.parametrize(
    ("spec", "repository"),
    [
        ("timm:resnet18.a1_in1k", "timm/resnet18.a1_in1k"),
        ("hf-hub:org/net@abc", "org/net"),
        ("hf:org/net", "org/net"),
        ("starter:glyph", None),
        ("/some/folder", None),
        (None, None),
    ],
)
def test_the_base_model_is_a_repository_or_nothing(spec, repository):
    assert base_model(spec) == repository


def test_the_body_tells_the_story_in_order():
    text = body(model_card(sample("digits").result))
    order = [
        "# starter:glyph, adapted to builtin:digits",
        "Transfer helped:",
        "## What it is for",
        "## Data",
        "## Evidence",
    ]
    order += [
        "| Accuracy | 92.5 % (90–94) |",
        "calibration error",
        "## Limits",
        "## Where it comes from",
        "## How to use it",
    ]
    places = [text.find(part) for part in order]
    assert -1 not in places
    assert places == sorted(places)


def test_every_metric_and_every_control_is_in_the_table():
    result = sample("digits").result
    rows = [line for line in model_card(result).splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + len(result.test["transfer"])
    assert all(row.count("|") == len(result.test) + 2 for row in rows)


@pytest.mark.parametrize("name", RUNS)
def test_every_run_has_a_card_that_can_be_written(name):
    card = model_card(sample(name).result)
    card.encode()
    assert front_matter(card)["model-index"]


def test_hostile_names_stay_names():
    text = body(model_card(sample("hostile").result))
    outside = "".join(text.split("```")[::2])
    assert HOSTILE not in "".join(part for part in outside.split("`")[::2])
    assert "\x1b" not in text
    assert "<img" not in "".join(part for part in outside.split("`")[::2])


def test_a_fence_is_longer_than_what_it_holds():
    result = sample("digits").result
    text = model_card(replace(result, data={**result.data, "name": "a```\n# no heading"}))
    assert "````\nheadstart fit" in text
    assert "\n# no heading" not in text


def test_many_classes_are_cut_short_and_counted():
    assert "and 47 more (see labels.json)" in model_card(sample("intents").result)


def test_escaped():
    assert escaped("a_b *c* <d> [e](f) `g` | #h\n\\") == "a\\_b \\*c\\* &lt;d&gt; \\[e\\](f) \\`g\\` \\| \\#h \\\\"
