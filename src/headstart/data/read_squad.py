"""Files of questions in the layout of SQuAD, versions 1 and 2: articles of paragraphs of questions, as the columns of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headstart.data.frame import Aside, Frame
from headstart.errors import DataError

COLUMNS = ("question", "context", "answers", "is_impossible", "title")


def is_squad(value: Any) -> bool:
    """Whether a JSON value is such a file."""
    articles = value.get("data") if isinstance(value, Mapping) else None
    return isinstance(articles, list) and any(isinstance(one, Mapping) and "paragraphs" in one for one in articles)


def squad_frame(value: Mapping[str, Any], title: str) -> Frame:
    """One row for each question; what lacks a part is set aside. Raises DataError where no question is left."""
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    ids: list[str] = []
    aside: list[Aside] = []
    for where, article, paragraph, question in _questions(value, title):
        problem = _problem(paragraph, question)
        if problem:
            aside.append((where, problem))
            continue
        row = (
            question["question"],
            paragraph["context"],
            question.get("answers") or [],
            question.get("is_impossible"),
            article.get("title") or None,
        )
        for name, cell in zip(COLUMNS, row, strict=True):
            columns[name].append(cell)
        ids.append(where)
    if not ids:
        why = f" ({aside[0][0]}: {aside[0][1]})" if aside else ""
        raise DataError(f"{title}: in the layout of SQuAD, but without a question{why}. Give paragraphs with context and qas.")
    if all(name is None for name in columns["title"]):
        del columns["title"]
    return Frame(title, columns, ids, aside=tuple(aside))


def _questions(value: Mapping[str, Any], title: str) -> Iterator[tuple[str, Mapping[str, Any], Any, Any]]:
    number = 0
    for article in value["data"]:
        for paragraph in (article.get("paragraphs") if isinstance(article, Mapping) else None) or ():
            for question in (paragraph.get("qas") if isinstance(paragraph, Mapping) else None) or ():
                number += 1
                named = question.get("id") if isinstance(question, Mapping) else None
                yield f"{title} question {named or number}", article, paragraph, question


def _problem(paragraph: Any, question: Any) -> str | None:
    if not isinstance(question, Mapping) or not isinstance(question.get("question"), str):
        return "no question"
    return None if isinstance(paragraph.get("context"), str) else "its paragraph has no context"
