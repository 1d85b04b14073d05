"""The command of a run, as one would type it again."""

from __future__ import annotations

import shlex
from dataclasses import replace

from headstart.report.command import fit_command
from tests.unit.report.runs import sample


def command(out="runs/x", data=None, **options):
    result = sample("digits").result
    plain = {"strategies": [], "columns": {}}
    named = {**result.data, "name": data or "photos/"}
    return fit_command(replace(result, options={**result.options, **plain, **options}, data=named), out)


def test_defaults_are_left_out():
    assert command() == "headstart fit photos/ --budget 75s --seed 0 --out runs/x"


def test_what_was_asked_for_is_there():
    told = command(
        budget_s=None,
        trials=6,
        models=["starter:glyph", "my models/net"],
        strategies=["probe"],
        control="none",
        metric="macro_f1",
        precision="fp32",
        offline=True,
        columns={"text": ["question", "answer"], "image": None, "label": "kind", "split": None, "group": "who"},
    )
    assert told == (
        "headstart fit photos/ --model starter:glyph --model 'my models/net' --strategy probe --metric macro_f1 --trials 6 "
        "--precision fp32 --control none --text question --text answer --label kind --group who --seed 0 --offline --out runs/x"
    )


def test_it_is_quoted_for_a_shell():
    told = command(data="$(rm -rf ~); photos", out="a b")
    assert shlex.split(told)[2] == "$(rm -rf ~); photos"
    assert shlex.split(told)[-1] == "a b"
