"""Masked and causal language modelling against brute force: the shares of a masking, the loss per token, bits per byte."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import torch
from scipy.stats import binomtest
from torch import nn

from headstart.adapt.pretraining.reading import (
    IGNORED,
    Likeness,
    Marks,
    bits_per_byte,
    bytes_of,
    following,
    leading,
    masked,
    token_nats,
)

MARKS = Marks(mask=4, pad=0, special=(0, 1, 2, 3, 4), vocabulary=100)


def _batch(rows=400, width=60):
    rng = np.random.default_rng(0)
    ids_BT = rng.integers(5, 100, size=(rows, width))
    ids_BT[:, 0], ids_BT[:, -1] = 2, 3
    mask_BT = np.ones_like(ids_BT)
    mask_BT[:, 50:] = 0
    ids_BT[:, 50:] = 0
    return ids_BT, mask_BT


def _is_share(count, total, share):
    """Whether the count is what so many draws with this share give, but once in ten thousand times."""
    return binomtest(int(count), int(total), share).pvalue > 1e-4


def test_fifteen_in_a_hundred_are_hidden_eighty_ten_ten():
    ids_BT, mask_BT = _batch()
    inputs_BT, labels_BT = masked(ids_BT, mask_BT, MARKS, np.random.default_rng(1))
    can_BT = (mask_BT == 1) & ~np.isin(ids_BT, MARKS.special)
    told_BT = labels_BT != IGNORED
    assert _is_share(told_BT.sum(), can_BT.sum(), 0.15)
    np.testing.assert_array_equal(labels_BT[told_BT], ids_BT[told_BT])
    as_mask = inputs_BT[told_BT] == MARKS.mask
    same = inputs_BT[told_BT] == ids_BT[told_BT]
    assert _is_share(as_mask.sum(), told_BT.sum(), 0.8)
    # One random token in 95 is the true one by chance.
    assert _is_share(same.sum(), told_BT.sum(), 0.1 + 0.1 / 95)
    others = inputs_BT[told_BT][~as_mask & ~same]
    assert len(set(others.tolist())) > 60
    assert not set(others.tolist()) & set(MARKS.special)


def test_marks_and_padding_are_never_hidden_and_the_rest_is_left_alone():
    ids_BT, mask_BT = _batch()
    inputs_BT, labels_BT = masked(ids_BT, mask_BT, MARKS, np.random.default_rng(2))
    for column in (0, slice(50, None)):
        assert (labels_BT[:, column] == IGNORED).all()
    np.testing.assert_array_equal(inputs_BT[labels_BT == IGNORED], ids_BT[labels_BT == IGNORED])


def test_a_short_sequence_hides_one_token_and_one_of_marks_none():
    ids_BT = np.array([[2, 9, 3], [2, 3, 0]])
    mask_BT = np.array([[1, 1, 1], [1, 1, 0]])
    for seed in range(20):
        _, labels_BT = masked(ids_BT, mask_BT, MARKS, np.random.default_rng(seed))
        assert labels_BT.tolist() == [[IGNORED, 9, IGNORED], [IGNORED] * 3]


def test_the_next_token_is_told_within_the_text_alone():
    ids_BT = np.array([[7, 8, 9, 0], [5, 6, 7, 8]])
    mask_BT = np.array([[1, 1, 1, 0], [1, 1, 1, 1]])
    wanted = [[8, 9, IGNORED, IGNORED], [6, 7, 8, IGNORED]]
    assert following(ids_BT, mask_BT).tolist() == wanted


class _Tokens(nn.Module):
    """A network whose state at a token is that token."""

    def forward(self, input_ids):
        return SimpleNamespace(last_hidden_state=input_ids[..., None])


class _Known(nn.Module):
    """A network whose answer depends on the token that it stands on, by a table of logits."""

    def __init__(self, table_VV):
        super().__init__()
        self.table_VV, self.base_model = torch.from_numpy(table_VV), _Tokens()

    def forward(self, input_ids, attention_mask):
        return SimpleNamespace(logits=self.table_VV[self.base_model(input_ids).last_hidden_state[..., 0]])


def test_nats_and_bits_per_byte_are_those_of_a_count_by_hand():
    rng = np.random.default_rng(3)
    table_VV = rng.normal(size=(6, 6))
    texts = ["ab", "ba b"]
    ids_BT = np.array([[0, 1, 2, 0, 0], [0, 2, 1, 3, 2]])
    mask_BT = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    nats = token_nats(_Known(table_VV), ids_BT, mask_BT, following(ids_BT, mask_BT), "cpu")

    by_hand = []
    for row, mask in zip(ids_BT.tolist(), mask_BT.tolist(), strict=True):
        for here, after, there in zip(row, row[1:], mask[1:], strict=False):
            if there:
                chances = [math.exp(value) for value in table_VV[here]]
                by_hand.append(-math.log(chances[after] / sum(chances)))
    np.testing.assert_allclose(nats.numpy(), by_hand, rtol=1e-6)
    size = sum(len(text.encode()) for text in texts)
    assert math.isclose(bits_per_byte(sum(by_hand), size), sum(value / math.log(2) for value in by_hand) / 6)


def test_a_network_that_knows_nothing_needs_the_bits_of_its_vocabulary():
    uniform = _Known(np.zeros((256, 256)))
    ids_BT = np.frombuffer("Größe und Maß".encode(), dtype=np.uint8).astype(np.int64)[None]
    nats = token_nats(uniform, ids_BT, np.ones_like(ids_BT), following(ids_BT, np.ones_like(ids_BT)), "cpu")
    assert math.isclose(bits_per_byte(float(nats.sum()), ids_BT.shape[1] - 1), 8.0, rel_tol=1e-6)


def test_bytes_of_spans_are_those_of_utf8():
    assert bytes_of("aé€", [(0, 1), (1, 2), (2, 3), (0, 3)]) == [1, 2, 3, 6]


def test_leading_directions_are_those_of_a_singular_value_decomposition():
    rows_ND = np.random.default_rng(4).normal(size=(50, 8)) * np.arange(1, 9)
    mean_D, directions_DE = leading(rows_ND, 3)
    np.testing.assert_allclose(mean_D, rows_ND.mean(0))
    found_NE = (rows_ND - mean_D) @ directions_DE
    u, s, _ = np.linalg.svd(rows_ND - rows_ND.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.abs(found_NE), np.abs(u[:, :3] * s[:3]), rtol=1e-6, atol=1e-8)
    assert leading(rows_ND, 10)[1].shape == (8, 8)


def test_a_student_that_is_its_teacher_turned_round_is_entirely_like_it():
    taught_ND = np.random.default_rng(5).normal(size=(40, 6)).astype(np.float32) + 3
    likeness = Likeness(taught_ND, 6)
    states_NE = (torch.from_numpy(taught_ND) - likeness.mean_D) @ likeness.directions_DE
    np.testing.assert_allclose(likeness.cosines(2 * states_NE, torch.from_numpy(taught_ND)).numpy(), 1, rtol=1e-5)
    assert float(likeness.loss(-states_NE, torch.from_numpy(taught_ND))) > 1.99
