"""Texts of unequal length packed into fewer rows, none of which sees another: attention and positions begin anew with each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from headstart.models.cut import first_tensor

WORTH = 0.6
"""Packing that leaves more than this share of the rows is not worth it: attention under a mask of one's own takes its time, above all backwards."""
CLOSE = 1e-4
"""How far, relative to the largest, states of packed texts may be from those of padded ones."""


def dealt(lengths: list[int]) -> tuple[list[int], list[int], int]:
    """Row and place in it of each text, rows being as long as the longest text, and how many rows: first fit, the longest first."""
    room: list[int] = []
    most, row_of, begin_of = max(lengths), [0] * len(lengths), [0] * len(lengths)
    for text in sorted(range(len(lengths)), key=lambda one: -lengths[one]):
        row = next((row for row, left in enumerate(room) if left >= lengths[text]), len(room))
        if row == len(room):
            room.append(most)
        row_of[text], begin_of[text] = row, most - room[row]
        room[row] -= lengths[text]
    return row_of, begin_of, len(room)


def packed_states(net: Callable[..., Any], ids_VT: Tensor, mask_VT: Tensor) -> Tensor | None:
    """A network's states (V, T, D) of padded texts, computed with the texts packed; None where that would save too little.

    Padding has states of zeros. The mask that keeps texts apart has four dimensions, true where one token may look at another.
    """
    lengths = mask_VT.sum(1).tolist()
    row_of, begin_of, rows = dealt(lengths)
    if rows > WORTH * len(lengths):
        return None
    device, is_real_VT = ids_VT.device, mask_VT.bool()
    place_VT = torch.arange(ids_VT.shape[1], device=device)
    row_V1 = torch.tensor(row_of, device=device)[:, None].expand_as(ids_VT)
    column_VT = torch.tensor(begin_of, device=device)[:, None] + place_VT
    row_n, column_n = row_V1[is_real_VT], column_VT[is_real_VT]
    wide = max(lengths)
    ids_PT = torch.zeros(rows, wide, dtype=ids_VT.dtype, device=device)
    positions_PT, text_PT = torch.zeros_like(ids_PT), torch.full_like(ids_PT, -1)
    ids_PT[row_n, column_n] = ids_VT[is_real_VT]
    positions_PT[row_n, column_n] = place_VT.expand_as(ids_VT)[is_real_VT]
    text_PT[row_n, column_n] = torch.arange(len(lengths), device=device)[:, None].expand_as(ids_VT)[is_real_VT]
    earlier_TT = torch.ones(wide, wide, dtype=torch.bool, device=device).tril()
    sees_PTT = (text_PT[:, :, None] == text_PT[:, None, :]) & earlier_TT
    hidden_PTD = first_tensor(net(input_ids=ids_PT, attention_mask=sees_PTT[:, None], position_ids=positions_PT))
    assert hidden_PTD is not None
    # Not an assignment to places of zeros: gradients flow through one gather.
    flat_VT = (row_V1 * wide + column_VT.clamp_max(wide - 1)).masked_fill(~is_real_VT, 0)
    return hidden_PTD.flatten(0, 1)[flat_VT] * is_real_VT[..., None]


def causal_states(net: Callable[..., Any], ids_VT: Tensor, mask_VT: Tensor) -> Tensor:
    """States (V, T, D) of texts padded on their right: packed where that saves enough, else as they are. No mask is needed then, for no token of
    a causal network looks at what stands behind it, and attention without one is the fastest.
    """
    found = packed_states(net, ids_VT, mask_VT)
    found = first_tensor(net(input_ids=ids_VT)) if found is None else found
    assert found is not None
    return found


def keeps_apart(net: Any, vocabulary: int) -> bool:
    """Whether a network gives the same states to texts packed as to texts by themselves: tried on four made-up ones."""
    if getattr(net.config, "_attn_implementation", "") != "sdpa":
        return False
    device = next(net.parameters()).device
    ids_VT = torch.arange(4 * 7, device=device).reshape(4, 7) % vocabulary
    mask_VT = (torch.arange(7, device=device)[None] < torch.tensor([7, 3, 2, 2], device=device)[:, None]).long()
    try:
        with torch.inference_mode():
            apart_VTD = first_tensor(net(input_ids=ids_VT, attention_mask=mask_VT))
            packed_VTD = packed_states(net, ids_VT, mask_VT)
            bare_VTD = first_tensor(net(input_ids=ids_VT))
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError):
        return False
    if apart_VTD is None or any(other is None or other.shape != apart_VTD.shape for other in (packed_VTD, bare_VTD)):
        return False
    gaps = [((other - apart_VTD) * mask_VT[..., None]).abs().max() for other in (packed_VTD, bare_VTD) if other is not None]
    return bool(max(gaps) <= CLOSE * apart_VTD.abs().max())
