"""Unlabelled text cleared of labelled examples: nothing that validation or the test judges on is read before."""

from __future__ import annotations

import pytest

from headstart.data.labelled_texts import PARTLY, RUN, SAME, LabelledTexts, words_of
from headstart.data.passages import Document, SetAside
from headstart.prove.passages import Conversation

LONG = " ".join(f"word{number}" for number in range(40))


@pytest.mark.parametrize("text", ["Where is my card?", "where is MY card", "Where\nis\n\nmy card ...", "Where is my card?\nWhere is my card?"])
def test_a_text_that_is_the_same_but_for_case_and_signs_is_set_aside(text):
    found = LabelledTexts.of(["Where is my card?"]).cleared(Document("a.txt", text))
    assert isinstance(found, SetAside)
    assert found.reason == SAME


def test_lines_that_are_labelled_go_and_the_rest_stays():
    found = LabelledTexts.of(["Where is my card?", ("a question", "its context here")]).cleared(
        Document("a.txt", "First.\nwhere is my card\nIts context, here!\nLast.\n", "odd")
    )
    assert found == Document("a.txt", "First.\nLast.\n", f"odd; {PARTLY}")


@pytest.mark.parametrize("start", range(40 - 2 * RUN + 2))
def test_any_stretch_that_is_long_enough_is_found_whatever_its_lines(start):
    words = words_of(LONG)[start : start + 2 * RUN - 1]
    text = "Before it.\n" + "\n".join(words) + "\nAfter it.\n"
    found = LabelledTexts.of([LONG]).cleared(Document("a.txt", text))
    assert isinstance(found, Document)
    kept = words_of(found.text)
    assert kept[:2] == ["before", "it"]
    assert kept[-2:] == ["after", "it"]
    assert len(kept) - 4 <= len(words) - RUN


def test_what_shares_little_is_left_as_it_is():
    document = Document("a.txt", " ".join(words_of(LONG)[: RUN - 1]) + " and so on")
    assert LabelledTexts.of([LONG]).cleared(document) is document
    assert LabelledTexts.of([]).cleared(document) is document
    assert LabelledTexts.of(["", "?!"]).cleared(document) is document


def test_turns_of_a_conversation_count_each():
    known = LabelledTexts.of([Conversation.of((("user", "How do you do?"), ("assistant", "Quite well.")))])
    assert isinstance(known.cleared(Document("a", "quite well")), SetAside)
