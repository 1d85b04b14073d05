"""docs/result-schema.md says what result.json holds: no more, no less, and of which type."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from tests.fakes import TinyBackbone, stripes
from tests.unit.report.runs import RUNS, sample

import headstart
from headstart.errors import RunError
from headstart.files import read_json, write_json
from headstart.prove.metrics import METRICS
from headstart.run.result import SCHEMA_VERSION, Result

DOC = Path(__file__).parents[3] / "docs" / "result-schema.md"
ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]*)\| ([^|]+) \|$", re.MULTILINE)
KINDS = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict, "list": list}


def documented():
    """Path → type, of every row of the tables of paths."""
    rows = [(path, kind) for path, kind, _, _ in ROW.findall(DOC.read_text()) if path not in METRICS]
    assert len({path for path, _ in rows}) == len(rows)
    return dict(rows)


def example():
    """The example at the end of the page."""
    return json.loads(re.findall(r"```json\n(.*?)```", DOC.read_text(), re.DOTALL)[-1])


def fits(value, kind):
    kind = kind.removesuffix(" or null") if value is not None else kind
    if value is None:
        return kind.endswith(" or null")
    if kind.startswith("list of "):
        return isinstance(value, list) and all(fits(item, kind.removeprefix("list of ")) for item in value)
    if kind == "Figure":
        return isinstance(value, dict)
    return isinstance(value, KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))


def found_in(value, path, types, seen):
    """Walk `value`, note each documented path in `seen`, and return what is not documented or of another type."""
    wrong = []
    for name, item in value.items():
        if name == "…":
            continue
        here = next((known for known in (f"{path}{name}", f"{path}*") if known in types), None)
        if here is None and isinstance(item, list):
            here = next((known for known in types if known.startswith(f"{path}{name}[].")), None) and f"{path}{name}"
        if here is None:
            wrong.append(f"{path}{name}: not documented")
            continue
        seen.add(here)
        if not fits(item, types.get(here, "list")):
            wrong.append(f"{path}{name}: {item!r} is no {types[here]}")
        deeper = "Figure." if types.get(here) == "Figure" else f"{here}."
        if isinstance(item, dict) and any(known.startswith(deeper) for known in types):
            wrong += found_in(item, deeper, types, seen)
        bins = f"{here}[]." if here != "calibration.bins_before" else "calibration.bins[]."
        if isinstance(item, list) and any(known.startswith(bins) for known in types):
            wrong += [problem for entry in item for problem in found_in(entry, bins, types, seen)]
    return wrong


OF_NUMBERS = {"calibration.reach", "calibration.level", "calibration.coverage", "calibration.width", "verdict.margin"}
"""Only runs on a quantity have them; tests/unit/test_regression.py makes one."""
OF_ANSWERS = {"calibration.threshold", "calibration.always", "calibration.answered", "calibration.answerable"}
"""Only runs on questions have them; tests/contract/test_token_tasks.py makes one."""

WHERE_ASKED = {"options.unlabelled", "options.source_sample"}
"""Only runs that were given such texts have them; tests/system/test_continued_run.py makes one."""


def top(types):
    """`floor_names.*`, `phases[].name` and their like stand without a row of their own for the object itself."""
    return {re.split(r"[.\[]", path)[0] for path in types} - {"Figure"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a real run: two tiny backbones on small pictures, with controls, nested cross-validation."""
    folder = tmp_path_factory.mktemp("schema") / "run"
    pictures, labels = stripes(60, classes=3, noise=90.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(folder.parent / "cache"))
        names = [f"colour {label}" for label in labels]
        backbones = [TinyBackbone("one", 0), TinyBackbone("two", 1)]
        headstart.fit((pictures, names), models=backbones, trials=2, out=folder, device="cpu")
    return folder


def test_the_tables_name_the_fields_of_the_dataclass():
    assert top(documented()) == {item.name for item in fields(Result)}


def test_the_tables_name_every_metric():
    text = DOC.read_text()
    rows = {path: kind.strip() for path, kind, _, _ in ROW.findall(text) if path in METRICS}
    assert rows == {name: ", ".join(row.kinds) for name, row in METRICS.items()}


def test_a_real_run_holds_what_is_documented_and_nothing_else(finished):
    types, seen = documented(), set()
    values = read_json(finished / "result.json")
    assert found_in(values, "", types, seen) == []
    assert set(values) == {item.name for item in fields(Result)}
    assert values["verdict"] is None  # two trials leave none for scratch
    assert values["head_start"]["missing"] == "no trial from scratch finished"
    without = {"verdict", "head_start", *(name for name in ("concepts", "language", "spans", "continued", "forgetting") if values[name] is None)}
    missing = {path for path in types if path not in seen and path.split(".")[0] not in without} - OF_NUMBERS - OF_ANSWERS - WHERE_ASKED
    assert missing == set()


@pytest.mark.parametrize("name", RUNS)
def test_the_sample_runs_are_like_real_ones(tmp_path, name):
    sample(name).result.write(tmp_path / "result.json")
    assert found_in(read_json(tmp_path / "result.json"), "", documented(), set()) == []


@pytest.mark.parametrize("name", ["verdict", "head_start"])
def test_what_needs_a_control_is_documented_whole(tmp_path, name):
    sample("digits").result.write(tmp_path / "result.json")
    seen, types = set(), documented()
    found_in(read_json(tmp_path / "result.json"), "", types, seen)
    assert {path for path in types if path.startswith(name)} - OF_NUMBERS <= seen


def test_the_example_of_the_page_is_a_result():
    assert found_in(example(), "", documented(), set()) == []
    assert set(example()) == {item.name for item in fields(Result)}


def test_what_the_real_run_shows_of_itself(finished):
    for name in ("report.html", "README.md", "predictions.csv"):
        assert (finished / name).stat().st_size > 500


@pytest.mark.parametrize("name", RUNS)
def test_round_trip(tmp_path, name):
    path, result = tmp_path / "result.json", sample(name).result
    result.write(path)
    again = Result.read(path)
    again.write(tmp_path / "again.json")
    assert path.read_bytes() == (tmp_path / "again.json").read_bytes()
    assert again.test == result.test
    assert again.data == result.data


def test_keys_of_later_releases_are_left_aside(tmp_path):
    path = tmp_path / "result.json"
    sample("bees").result.write(path)
    write_json(path, {**read_json(path), "from_the_future": 1})
    assert Result.read(path).schema_version == SCHEMA_VERSION


def test_a_name_that_is_no_unicode_comes_back_as_it_was(tmp_path):
    result = sample("bees").result
    replace(result, data={**result.data, "name": "bad\udce9.zip"}).write(tmp_path / "result.json")
    assert Result.read(tmp_path / "result.json").data["name"] == "bad\udce9.zip"


def test_nothing_that_json_lacks_is_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        replace(sample("bees").result, gap={"difference": float("nan")}).write(tmp_path / "result.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "no result.json"),
        ("{", "no JSON"),
        ("[]", "schema version None"),
        ('{"schema_version": 2}', "schema version 2, this is version 1"),
        ('{"schema_version": 1, "task": {}}', "lacks data"),
    ],
)
def test_what_is_no_result_is_refused_in_one_line(tmp_path, content, problem):
    path = tmp_path / "result.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RunError, match=problem) as told:
        Result.read(path)
    assert "\n" not in str(told.value)
