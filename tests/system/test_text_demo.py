"""The second demo in short, in this process: the starter for texts tells requests apart that share no wording."""

from __future__ import annotations

import headstart


def test_the_starter_beats_words_alone_on_the_requests(tmp_path):
    model = headstart.fit(
        "builtin:requests", models=["starter:words"], strategies=["probe"], trials=1, control="none", offline=True,
        history=False, out=tmp_path / "run",
    )  # fmt: skip
    test = model.result.test
    transfer, words = test["transfer"]["accuracy"], test["floor-classical"]["accuracy"]
    assert transfer["low"] > words["high"]
    assert (tmp_path / "run" / "report.html").is_file()
    predicted = model.predict(["Can I bring the novel back a week later?", "The wifi is down and my laptop is offline."])
    assert [row.labels for row in predicted.rows] == [("loans",), ("devices",)]
