"""CoNLL files in all their forms, and what is wrong with some of them."""

from __future__ import annotations

import pytest
from tests.labelled import conll, sentences, write_news

from headstart.data.audit import audit
from headstart.data.check import check
from headstart.data.options import Columns
from headstart.data.read import read, read_inputs
from headstart.data.read_conll import is_conll_text, part_of
from headstart.data.split import split
from headstart.errors import DataError
from headstart.prove.tags import WORDS
from headstart.prove.word_texts import words_of

TWO = "Maria\tB-PER\nLind\tI-PER\nslept\tO\n\n\nOslo\tB-LOC\n.\tO\n"


def written(folder, text, name="data.conll"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_words_and_tags_come_back_from_two_columns_or_four_with_tabs_or_blanks(tmp_path):
    made = list(sentences(5))
    for columns, separator in ((2, "\t"), (2, " "), (4, " "), (4, "\t")):
        data = read(written(tmp_path, conll(made, columns=columns, separator=separator)))
        assert (data.kind, data.modality) == ("tags", "text")
        assert [words_of(item) for item in data.items] == [words for words, _ in made]
        assert [list(tags) for tags in data.labels] == [tags for _, tags in made]


def test_files_are_told_by_their_form_whatever_they_are_called(tmp_path):
    for name in ("notes.txt", "table.tsv", "eng.train"):
        assert read(written(tmp_path, TWO, name)).kind == "tags"
    assert read(written(tmp_path, "One story.\n\nAnd another one.\n", "story.txt")).kind == "language"
    assert read(written(tmp_path, "text\tlabel\ngood\tyes\nbad\tno\n", "table.tsv")).kind == "single"
    assert not is_conll_text("O O\nO O\n\nO O")
    assert not is_conll_text("")
    with pytest.raises(DataError, match="no label column"):
        read(written(tmp_path, TWO, "table.tsv"), columns=Columns(task="classification", label="kind"))


def test_a_folder_in_parts_and_a_zip_of_it_are_the_same(tmp_path):
    import zipfile

    folder = write_news(tmp_path / "news", 8, 4)
    data = read(folder)
    assert data.parts == ["test"] * 4 + ["train"] * 8
    (folder / "readme.md").write_text("what this is")
    with zipfile.ZipFile(tmp_path / "news.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    again = read(tmp_path / "news.zip")
    assert (again.items, again.labels, again.parts) == (data.items, data.labels, data.parts)
    assert [part_of(name) for name in ("eng.testa", "eng.testb", "eng.train", "dev/a.conll", "all.conll")] == ["val", "test", "train", "val", ""]


def test_what_cannot_be_used_is_set_aside_by_its_line(tmp_path):
    text = "Maria B-PER\nLind I-PER extra\n\nOslo B-LOC\n\nOdd\n\nKim B-PER\nleft O\n"
    data = read(written(tmp_path, text))
    assert len(data) == 2
    assert data.aside == (
        ("data.conll line 1", "line 2 has 3 columns where others have 2"),
        ("data.conll line 6", "line 6 has 1 columns where others have 2"),
    )
    lost = read(written(tmp_path, "Maria\tB-PER\n\n\tB-LOC\n\nOslo\t\n\n" + TWO)).aside
    assert [why for _, why in lost] == ["line 3 has a tag without a word", "line 5 has a word without a tag"]


def test_tags_that_are_not_well_formed_are_listed_in_the_audit(tmp_path):
    found = check(written(tmp_path, "Oslo I-LOC\nand O\nMaria B-PER\nLind I-PER\n\nKim X\nleft O\n"))
    notes = dict(found.notes)
    assert "'I-LOC' continues nothing" in notes["data.conll line 1"]
    assert "'X' has neither B- nor I-" in notes["data.conll line 6"]
    assert found.counts == {"LOC": 1, "PER": 1}
    assert any("odd" in line for line in found.lines())


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ("I-PER I-PER O B-LOC", "IOB2"),
        ("I-PER I-PER O I-LOC", "IOB1"),
        ("B-PER E-PER O S-LOC", "BIOES"),
        ("B-PER L-PER O U-LOC", "BIOES"),
        ("PER PER O LOC", "a run of equal ones"),
    ],
)
def test_every_scheme_is_read_as_the_same_tags(tmp_path, tags, scheme):
    lines = [f"w{place} {tag}" for place, tag in enumerate(tags.split())]
    data = read(written(tmp_path, "\n".join(lines)))
    assert data.labels == [("B-PER", "I-PER", "O", "B-LOC")]
    assert any(scheme in line for line in data.guesses)


def test_parts_of_speech_are_labels_of_their_own_and_another_column_can_be_named(tmp_path):
    text = "The DT O\ncat NN O\nsleeps VB B-X\n"
    assert read(written(tmp_path, text), columns=Columns(label="2")).labels == [("DT", "NN", "VB")]
    with pytest.raises(DataError, match=r"no column 7\. It has 3"):
        read(written(tmp_path, text), columns=Columns(label="7"))
    universal = "# text = It is.\n1-2\tIt's\t_\t_\t_\t_\t_\t_\t_\t_\n1\tIt\tit\tPRON\tPRP\t_\t2\tnsubj\t_\t_\n2\tis\tbe\tAUX\tVBZ\t_\t0\troot\t_\t_\n"
    data = read(written(tmp_path, universal, "en.conllu"))
    assert (words_of(data.items[0]), data.labels, data.classes) == (["It", "is"], [("PRON", "AUX")], ("AUX", "PRON"))


def test_documents_stay_whole_where_there_are_enough(tmp_path):
    few = "-DOCSTART- O\n\nMaria B-PER\n\nleft O\n\n"
    assert read(written(tmp_path, few * 3)).groups is None
    data = read(written(tmp_path, "".join(f"-DOCSTART- O\n\nMaria{n} B-PER\n\nleft{n} O\n\n" for n in range(25))))
    assert len(set(data.groups)) == 25
    parts = split(data, audit(data), seed=0)
    for train, test in parts.outer:
        assert {data.groups[row] for row in train}.isdisjoint(data.groups[row] for row in test)


def test_a_long_text_is_read_in_stretches_that_end_with_a_sentence(tmp_path):
    sentence = "\n".join(["w O"] * 9 + ["Oslo B-LOC", ". O"])
    data = read(written(tmp_path, "\n".join([sentence] * 100)))
    assert [len(tags) for tags in data.labels] == [506, 506, 88]
    assert all(item.endswith(".") for item in data.items)
    assert len(set(data.groups)) == 1
    unbroken = read(written(tmp_path, "\n".join([f"a{n} {'B' if n % 5 == 0 else 'I'}-X" for n in range(1100)])))
    assert all(tags[0] == "B-X" and len(tags) <= WORDS for tags in unbroken.labels)
    assert sum(map(len, unbroken.labels)) == 1100


def test_without_labels_words_are_enough(tmp_path):
    data = read_inputs(written(tmp_path, "Maria\nLind\n\nOslo\n"), modality="text")
    assert [words_of(item) for item in data.items] == [["Maria", "Lind"], ["Oslo"]]
    assert data.labels is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("\n\n", "no word in it"),
        ("Maria\nLind\n", "words without tags"),
        ("Maria O\nLind O\n", "every word is outside"),
    ],
)
def test_what_cannot_be_read_ends_in_one_line(tmp_path, text, message):
    with pytest.raises(DataError, match=message) as found:
        read(written(tmp_path, text))
    assert "\n" not in str(found.value)
