"""Extraction: order, precision, reuse, and bounded pieces."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.fakes import CPU, TinyBackbone, stripes

from headstart.features import batches
from headstart.features.batches import by_cost, prepared
from headstart.features.extract import address, extract, feature_chunks, for_inference, weights_hash
from headstart.features.store import Features, FeatureWriter
from headstart.runtime import Placement


def _direct(backbone, pictures):
    inputs = backbone.preprocess.collate([backbone.preprocess.prepare(picture) for picture in pictures])
    with torch.inference_mode():
        return backbone.eval()(inputs).numpy()


def test_features_equal_the_backbones_own_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "CHUNK", 10)
    monkeypatch.setattr(batches, "COST_PER_BATCH", 4)
    backbone, (pictures, _) = TinyBackbone(), stripes(23)
    features = extract(pictures, backbone, decode=lambda item: item, placement=CPU, folder=tmp_path / "f")
    np.testing.assert_allclose(features.take(range(23)), _direct(backbone, pictures), atol=1e-6)
    assert len(features) == 23


def test_a_second_extraction_reads_instead_of_decoding(tmp_path):
    backbone, (pictures, _) = TinyBackbone(), stripes(5)
    first = extract(pictures, backbone, decode=lambda item: item, placement=CPU, folder=tmp_path)

    def refuse(item):
        raise AssertionError("decoded again")

    second = extract(pictures, backbone, decode=refuse, placement=CPU, folder=tmp_path)
    np.testing.assert_array_equal(first.take([0, 4]), second.take([0, 4]))


def test_half_written_features_are_computed_anew(tmp_path):
    backbone, (pictures, _) = TinyBackbone(), stripes(5)
    whole = extract(pictures, backbone, decode=lambda item: item, placement=CPU, folder=tmp_path).take(range(5))
    shard = Features.shard_path(tmp_path, 0)
    shard.write_bytes(shard.read_bytes()[:-3])
    again = extract(pictures, backbone, decode=lambda item: item, placement=CPU, folder=tmp_path)
    np.testing.assert_array_equal(again.take(range(5)), whole)


def test_reduced_precision_stays_close_and_leaves_the_backbone_alone():
    backbone, (pictures, _) = TinyBackbone(), stripes(8)
    before = weights_hash(backbone)
    low = Placement(device="cpu", threads=1, low="bfloat16")
    chunk = next(feature_chunks(pictures, backbone, decode=lambda item: item, placement=low))
    np.testing.assert_allclose(chunk, _direct(backbone, pictures), atol=0.03)
    assert weights_hash(backbone) == before


def test_batch_norm_keeps_full_precision_at_inference():
    network = for_inference(TinyBackbone(), Placement(device="cpu", threads=1, low="bfloat16"))
    assert network.net[1].weight.dtype == torch.float32
    assert network.net[1].running_var.dtype == torch.float32
    assert network.net[0].weight.dtype == torch.bfloat16


def test_address_depends_on_weights_data_and_precision():
    one, other = TinyBackbone(seed=0), TinyBackbone(seed=1)
    low = Placement(device="cpu", threads=1, low="bfloat16")
    found = {address(one, "x", CPU), address(other, "x", CPU), address(one, "y", CPU), address(one, "x", low)}
    assert len(found) == 4
    assert address(one, "x", CPU) == address(TinyBackbone(seed=0), "x", CPU)


def test_long_texts_come_first_and_batches_stay_within_their_tokens():
    costs = [5, 300, 7, 4000, 9, 6000]
    groups = by_cost(costs)
    assert sorted(row for group in groups for row in group) == list(range(6))
    assert groups[0].tolist() == [5]
    for group in groups:
        assert len(group) == 1 or len(group) * max(costs[row] for row in group) <= batches.TOKENS_PER_BATCH


def test_prepared_keeps_order_across_threads():
    class Twice:
        def prepare(self, raw):
            return 2 * raw

    chunks = list(prepared(list(range(1000)), lambda item: item, Twice(), threads=2))
    assert [value for chunk in chunks for value in chunk] == [2 * number for number in range(1000)]
    assert max(map(len, chunks)) <= batches.CHUNK


def test_store_reads_rows_in_any_order(tmp_path, monkeypatch):
    monkeypatch.setattr("headstart.features.store.ROWS_PER_SHARD", 4)
    matrix = np.random.default_rng(0).normal(size=(11, 3)).astype(np.float32)
    writer = FeatureWriter(tmp_path, width=3)
    for start in range(0, 11, 3):
        writer.add(matrix[start : start + 3])
    features = writer.close()
    assert len(features.rows) > 1
    np.testing.assert_array_equal(features.take([10, 0, 5, 5]), matrix[[10, 0, 5, 5]])
    np.testing.assert_array_equal(np.concatenate(list(features.chunks())), matrix)
    reopened = Features.open(tmp_path)
    assert reopened is not None
    np.testing.assert_array_equal(reopened.take(range(11)), matrix)


def test_no_manifest_means_no_features(tmp_path):
    assert Features.open(tmp_path) is None


@pytest.mark.parametrize("rows", [[], [2]])
def test_taking_few_rows(tmp_path, rows):
    writer = FeatureWriter(tmp_path, width=2)
    writer.add(np.arange(6, dtype=np.float32).reshape(3, 2))
    assert writer.close().take(rows).shape == (len(rows), 2)
