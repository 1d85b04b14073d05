"""What can be tuned, what a user pins, and what the estimator asks for."""

from __future__ import annotations

import math

import pytest

from headstart.adapt.ask import Seen, ask
from headstart.adapt.space import Between, Choice, pinned, searched
from headstart.errors import OptionError

SPACE = {"learning_rate": Between(1e-5, 1e-1), "rank": Choice((4, 8, 16))}


def _far(settings):
    return abs(math.log10(settings["learning_rate"]) + 3) + abs(settings["rank"] - 8) / 8


def _search(count, *, ahead=(), backbone="a"):
    tried = list(ahead)
    for number in range(count):
        order = sorted(tried, key=lambda one: -_far(one[1]))
        seen = [Seen(name, settings, order.index((name, settings))) for name, settings in tried]
        tried.append((backbone, ask(SPACE, backbone, seen, pinned={}, seed=number)))
    return tried


def test_what_is_asked_for_depends_on_the_trials_alone():
    assert _search(12) == _search(12)
    first = [Seen("a", {"learning_rate": 1e-3, "rank": 8}, 0)]
    assert ask(SPACE, "a", first, pinned={}, seed=1) != ask(SPACE, "a", first, pinned={}, seed=2)


def test_the_search_comes_closer_than_chance():
    found, chance = _search(24), [ask(SPACE, "a", [], pinned={}, seed=number) for number in range(24)]
    late = sorted(_far(settings) for _, settings in found[12:])
    assert late[len(late) // 2] < 0.6 * sorted(map(_far, chance))[12]


def test_trials_on_another_backbone_inform():
    known = [("b", settings) for _, settings in _search(20)]
    told = [settings for _, settings in _search(6, ahead=known)[20:]]
    assert sum(map(_far, told)) < sum(_far(ask(SPACE, "a", [], pinned={}, seed=number)) for number in range(6))


def test_what_is_pinned_stays_and_what_runs_is_taken_into_account():
    asked = ask(SPACE, "a", [], pinned={"rank": 4, "unknown": 1}, seed=0)
    assert asked["rank"] == 4
    assert set(asked) == {"learning_rate", "rank"}
    running = [Seen("a", {"learning_rate": 1e-3, "rank": 8}, None)]
    assert SPACE["learning_rate"].holds(ask(SPACE, "a", running, pinned={}, seed=0)["learning_rate"])
    # A value that was pinned outside the range, and settings of another version, are no hindrance.
    odd = [Seen("a", {"learning_rate": 5.0, "rank": 8}, 0), Seen("a", {"learning_rate": 1e-3}, 1)]
    assert SPACE["rank"].holds(ask(SPACE, "a", odd, pinned={}, seed=0)["rank"])


def test_pins_go_to_the_strategies_that_have_them():
    spaces = {"full": {"learning_rate": Between(1e-5, 1e-2)}, "lora": SPACE, "probe": {}}
    assert pinned({"lr": "3e-4", "rank": "16"}, spaces) == {
        "full": {"learning_rate": 3e-4}, "lora": {"learning_rate": 3e-4, "rank": 16}, "probe": {}
    }  # fmt: skip


@pytest.mark.parametrize(
    ("examples", "usual", "expected"),
    [(16, 16, (8, 16)), (63, 16, (8, 16)), (64, 32, (8, 16, 32)), (255, 32, (8, 16, 32)), (256, 32, (8, 16, 32, 64))],
)
def test_batches_are_searched_that_leave_a_few_of_them_in_an_epoch(examples, usual, expected):
    space = {"learning_rate": Between(1e-5, 1e-1), "batch_size": Choice((8, 16, 32, 64))}
    assert searched(space, examples=examples, usual=usual) == {**space, "batch_size": Choice(expected)}
    assert searched(SPACE, examples=examples, usual=usual) == SPACE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ({"lr": "fast"}, "--set lr=fast"),
        ({"lr": "-1"}, "a number above zero"),
        ({"rank": "5"}, "one of 4, 8, 16"),
        ({"batch_size": "0"}, "one of 8, 16, 32, 64"),
        ({"share": "1.5"}, "up to 1"),
        ({"learning_rat": "1"}, "Did you mean 'learning_rate'"),
    ],
)
def test_what_cannot_be_pinned_is_said(text, said):
    with pytest.raises(OptionError, match=said.replace("(", r"\(")):
        pinned(text, {"lora": SPACE, "partial": {"share": Choice((0.2, 1 / 3)), "batch_size": Choice((8, 16, 32, 64))}})
