"""A tokenizer of one's own, trained on the texts, and the texts as sequences of its tokens on disk."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from headstart.adapt.pretraining.bank import TextBank
from headstart.events import Listener, Progress
from headstart.files import replacing
from headstart.registry import pick

CHARACTERS = 50_000_000
"""A tokenizer is trained on at most so many: more change its vocabulary no more, and take memory."""
ENCODED = 4096
"""Pieces encoded at a time."""
LETTERS = 1000
"""Different letters that words are spelt with, the commonest; texts with others have unknown words."""
END = "<|endoftext|>"


Texts = Callable[[], Iterator[str]]
"""Gives the same texts each time it is called."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of tokenizer: how it is trained to so many tokens, its marks, and what transformers calls them."""

    trained: Callable[[Texts, int], Tokenizer]
    marks: tuple[str, ...]
    names: dict[str, str]
    around: tuple[str, str | None]
    """What stands before and, if anything, after each sequence."""


def _wordpiece(texts: Texts, vocabulary: int) -> Tokenizer:
    """Trained with the numbers of all letters settled beforehand: by itself the trainer gives those inside words their numbers in
    an order that differs from run to run, and with it breaks ties between pairs.
    """
    marks = [*KINDS["wordpiece"].marks]
    draft = _lower(models.WordPiece(unk_token="[UNK]"))
    counts = Counter(letter for text in texts() for letter in draft.normalizer.normalize_str(text) if letter.strip())
    letters = sorted(sorted(counts, key=lambda letter: (-counts[letter], letter))[: min(LETTERS, vocabulary // 4)])
    inside = [f"##{letter}" for letter in letters]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary,
        special_tokens=[*marks, *inside],
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        show_progress=False,
    )
    draft.train_from_iterator(texts(), trainer)
    whole = _lower(models.WordPiece(vocab=draft.get_vocab(with_added_tokens=False), unk_token="[UNK]"))
    whole.add_special_tokens(marks)
    return whole


def _lower(model: Any) -> Tokenizer:
    whole = Tokenizer(model)
    whole.normalizer = normalizers.BertNormalizer(lowercase=True)
    whole.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    whole.decoder = decoders.WordPiece()
    return whole


def _bpe(texts: Texts, vocabulary: int) -> Tokenizer:
    whole = Tokenizer(models.BPE())
    whole.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    whole.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[*KINDS["bpe"].marks],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    whole.train_from_iterator(texts(), trainer)
    return whole


KINDS: dict[str, Kind] = {
    "wordpiece": Kind(
        _wordpiece,
        ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
        {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"},
        ("[CLS]", "[SEP]"),
    ),
    "bpe": Kind(
        _bpe, (END, "<|mask|>"), {"bos": END, "eos": END, "pad": END, "cls": END, "mask": "<|mask|>"}, (END, None)
    ),
}
"""WordPiece in lower case after Devlin et al. 2019, and byte pairs after Radford et al. 2019, which leave nothing out."""


def train_tokenizer(texts: Texts, kind: str, vocabulary: int, length: int) -> Any:
    """A transformers tokenizer of `kind`, of at most `vocabulary` tokens, that reads at most `length` of a text."""
    from transformers import PreTrainedTokenizerFast

    row = pick(KINDS, kind, what="kind of tokenizer")
    whole = row.trained(texts, vocabulary)
    before, after = row.around
    pattern = f"{before} $A" if after is None else f"{before} $A {after}"
    pair = f"{pattern} $B:1" if after is None else f"{pattern} $B:1 {after}:1"
    marks = [(mark, whole.token_to_id(mark)) for mark in row.around if mark is not None]
    whole.post_processor = processors.TemplateProcessing(single=pattern, pair=pair, special_tokens=marks)
    named = {f"{name}_token": token for name, token in row.names.items()}
    segments = ["input_ids", "attention_mask", *(["token_type_ids"] if kind == "wordpiece" else [])]
    made: Any = PreTrainedTokenizerFast
    return made(
        tokenizer_object=whole, model_max_length=length, model_input_names=segments, clean_up_tokenization_spaces=False,
        **named,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Around:
    """Ids of the marks that stand before and after each sequence, and of what ends a text where nothing stands after its sequences."""

    before: tuple[int, ...]
    after: tuple[int, ...] = ()
    end: int | None = None

    @classmethod
    def of_kind(cls, kind: str, fast: Tokenizer) -> Around:
        """Those of a tokenizer that was trained here."""
        before, after = (None if mark is None else fast.token_to_id(mark) for mark in KINDS[kind].around)
        assert before is not None
        return cls((before,), end=before) if after is None else cls((before,), (after,))

    @classmethod
    def of_checkpoint(cls, tokenizer: Any, *, causal: bool) -> Around:
        """Those of a checkpoint's own: around a text, or of a causal model the beginning (lacking one, as GPT-2 does, the end) and the end."""
        if causal:
            start = next((one for one in (tokenizer.bos_token_id, tokenizer.eos_token_id) if one is not None), None)
            return cls(() if start is None else (start,), end=tokenizer.eos_token_id)
        encoding = plain(tokenizer).encode("a")
        words = [place for place, is_mark in enumerate(encoding.special_tokens_mask) if not is_mark] or [0]
        return cls(tuple(encoding.ids[: words[0]]), tuple(encoding.ids[words[-1] + 1 :]))


def plain(tokenizer: Any, *, lower: bool = False) -> Tokenizer:
    """A copy of what encodes, which cuts and pads nothing; `lower` puts texts in lower case first."""
    fast: Tokenizer = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
    fast.no_truncation()
    fast.no_padding()
    if lower:
        own = [] if fast.normalizer is None else [fast.normalizer]
        fast.normalizer = normalizers.Sequence([normalizers.Lowercase(), *own])
    return fast


def tokenizer_of(bank: TextBank, work: Path, kind: str, vocabulary: int, length: int) -> Any:
    """The tokenizer in `work`, trained on what is learned of the bank where it is not there yet."""
    from headstart.models.text_preprocess import read_tokenizer

    folder = work / "tokenizer"
    if not folder.is_dir():
        made = train_tokenizer(lambda: _sample(bank), kind, vocabulary, length)
        half = work / "tokenizer.half"
        shutil.rmtree(half, ignore_errors=True)
        made.save_pretrained(half)
        half.rename(folder)
    return read_tokenizer(folder)


def _sample(bank: TextBank) -> Iterator[str]:
    """The pieces that are learned, or evenly spaced ones of them."""
    step = max(1, len(bank.learned) // 1000)
    mean = np.mean([len(bank[int(row)]) for row in bank.learned[::step]])
    every = max(1, round(float(mean) * len(bank.learned) / CHARACTERS))
    return (bank[int(row)] for row in bank.learned[::every])


class Sequences:
    """Token ids of many sequences in one file; each is at most `length` long and of one piece of text."""

    def __init__(self, folder: Path, name: str) -> None:
        """Open what `write` left in `folder`."""
        self._ids = np.memmap(folder / f"{name}.u32", np.uint32, "r")
        index_N2 = np.load(folder / f"{name}.npy")
        self._ends, self.pieces = index_N2[:, 0], index_N2[:, 1]
        self.lengths = np.diff(self._ends, prepend=0)

    def __len__(self) -> int:
        """The number of sequences."""
        return len(self._ends)

    @property
    def tokens(self) -> int:
        """How many tokens all have together, marks included."""
        return int(self._ends[-1])

    def __getitem__(self, row: int) -> np.ndarray:
        """The ids (T,) of one sequence."""
        end = int(self._ends[row])
        return np.asarray(self._ids[end - int(self.lengths[row]) : end]).astype(np.int64)

    @classmethod
    def write(
        cls,
        folder: Path,
        name: str,
        bank: TextBank,
        rows: np.ndarray,
        fast: Tokenizer,
        around: Around,
        length: int,
        *,
        whole: bool,
        listener: Listener,
    ) -> Sequences:
        """The pieces `rows` of the bank as sequences, unless that is done; `whole` takes all of a piece, else its beginning."""
        if (folder / f"{name}.npy").is_file():
            return cls(folder, name)
        ends, pieces, end = [], [], 0
        with replacing(folder / f"{name}.u32") as temporary, temporary.open("wb") as file:
            for start in range(0, len(rows), ENCODED):
                some = [int(row) for row in rows[start : start + ENCODED]]
                encodings = fast.encode_batch([bank[row] for row in some], add_special_tokens=False)
                for row, encoding in zip(some, encodings, strict=True):
                    for ids in in_sequences(encoding.ids, around, length, whole=whole):
                        np.asarray(ids, dtype=np.uint32).tofile(file)
                        end += len(ids)
                        ends.append(end)
                        pieces.append(row)
                listener(Progress("tokens", min(start + ENCODED, len(rows)), len(rows)))
        with replacing(folder / f"{name}.npy") as temporary, temporary.open("wb") as file:
            np.save(file, np.array([ends, pieces], dtype=np.int64).T)
        return cls(folder, name)


class Listed:
    """The same of a few texts, in memory."""

    def __init__(self, texts: Sequence[str], fast: Tokenizer, around: Around, length: int) -> None:
        """Pieces are numbered as the texts are."""
        ids = [encoding.ids for encoding in fast.encode_batch(list(texts), add_special_tokens=False)]
        found = [(part, piece) for piece, whole in enumerate(ids) for part in in_sequences(whole, around, length, whole=True)]
        self._ids = [np.array(part, dtype=np.int64) for part, _ in found]
        self.pieces = np.array([piece for _, piece in found], dtype=np.int64)
        self.lengths = np.array([len(part) for part in self._ids], dtype=np.int64)

    def __len__(self) -> int:
        """The number of sequences."""
        return len(self._ids)

    def __getitem__(self, row: int) -> np.ndarray:
        """The ids (T,) of one sequence."""
        return self._ids[row]


def in_sequences(ids: Sequence[int], around: Around, length: int, *, whole: bool) -> Iterator[list[int]]:
    """The ids of a piece as sequences of at most `length`, with the marks that stand around them; the last one is ended, where there is room."""
    room = length - len(around.before) - len(around.after)
    for start in range(0, len(ids), room):
        part = [*around.before, *ids[start : start + room], *around.after]
        if around.end is not None and start + room >= len(ids) and len(part) < length:
            part.append(around.end)
        yield part
        if not whole:
            return


def padded(sequences: Sequence[np.ndarray], pad: int) -> tuple[np.ndarray, np.ndarray]:
    """Sequences as ids and mask (B × T), padded to the longest."""
    width = max(map(len, sequences))
    ids_BT = np.full((len(sequences), width), pad, dtype=np.int64)
    mask_BT = np.zeros((len(sequences), width), dtype=np.int64)
    for row, ids in enumerate(sequences):
        ids_BT[row, : len(ids)] = ids
        mask_BT[row, : len(ids)] = 1
    return ids_BT, mask_BT


def batches(lengths_N: np.ndarray, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """An epoch's batches of `size` rows of like length, in random order; what does not fill one is left out of it."""
    order = rng.permutation(len(lengths_N))[: max(1, len(lengths_N) // size) * size]
    pool = size * POOL
    found: list[np.ndarray] = []
    for start in range(0, len(order), pool):
        rows = order[start : start + pool]
        rows = rows[np.argsort(lengths_N[rows], kind="stable")]
        found += [rows[first : first + size] for first in range(0, len(rows), size)]
    return [found[place] for place in rng.permutation(len(found))]


POOL = 32
"""Batches among whose rows like lengths are put together."""
