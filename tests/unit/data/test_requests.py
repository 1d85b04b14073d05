"""The requests that the second demo runs on: the same ones each time, split so that wording gives nothing away."""

from __future__ import annotations

import re
from collections import Counter

from headstart.data.audit import audit
from headstart.data.read import read
from headstart.data.requests import LABELLED, PATTERNS, WORDS, request_dataset


def test_ten_of_each_class_are_labelled_and_the_rest_is_for_the_test():
    data = read("builtin:requests")
    assert (data.modality, data.kind, data.classes) == ("text", "single", ("children", "devices", "loans", "rooms"))
    counts = Counter(zip(data.parts, (names[0] for names in data.labels), strict=True))
    assert {counts["train", name] for name in PATTERNS} == {LABELLED}
    assert all(counts["test", name] >= 60 for name in PATTERNS)
    assert list(request_dataset().items) == list(data.items)


def test_the_audit_finds_nothing_to_set_aside_and_no_leak():
    found = audit(read("builtin:requests"))
    assert not found.aside
    assert not found.leaks
    assert len(found.keep) == found.found


def test_every_gap_has_words_and_all_are_filled_in():
    named = {gap for patterns in PATTERNS.values() for pattern in patterns for gap in re.findall(r"\{(\w+)\}", pattern)}
    assert named == set(WORDS)
    assert not any("{" in text or "}" in text for text in request_dataset().items)


def test_no_pattern_is_in_two_classes():
    patterns = [pattern for found in PATTERNS.values() for pattern in found]
    assert len(set(patterns)) == len(patterns)
