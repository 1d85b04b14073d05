"""Passes: order, streams, refusals, fixed shapes, and a network whose hooks no thread shares with another."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from tests.fakes import CPU, TinyBackbone, stripes
from tests.tiny_models import timm_folder

from headstart.errors import DataError
from headstart.features import forward
from headstart.features.extract import Shard, extract, extract_shards, for_inference
from headstart.features.forward import FORWARDS, Captured, Kind, Pass, Watched, padded, sharing
from headstart.features.passes import Timer, passes
from headstart.features.store import Features
from headstart.features.way import Way, plain
from headstart.models.resolve import load_backbone
from headstart.runtime import Placement


def direct(backbone, pictures, stages=None):
    inputs = backbone.preprocess.collate([backbone.preprocess.prepare(picture) for picture in pictures])
    with torch.inference_mode():
        return Pass(backbone.eval(), stages)(inputs).numpy()


def found(parts, backbone, way, **more):
    return list(passes(parts, for_inference(backbone, CPU), decode=lambda item: item, placement=CPU, way=way, **more))


@pytest.mark.parametrize("way", [Way(batch=4), Way(batch=4, streams=2), Way(batch=64, streams=3), Way(batch=1)])
@pytest.mark.parametrize("stages", [None, (0, 2)])
def test_every_way_gives_the_features_of_each_part_in_order(way, stages):
    backbone, (pictures, _) = TinyBackbone(), stripes(23)
    ticks, timer = [], Timer()
    parts = found([pictures[:9], pictures[9:]], backbone, way, stages=stages, tick=ticks.append, timer=timer)
    assert [len(part) for part in parts] == [9, 14]
    np.testing.assert_allclose(np.concatenate(parts), direct(backbone, pictures, stages), atol=1e-6)
    assert sum(ticks) == 23
    assert timer.seconds > 0
    assert timer.network_s == timer.seconds / way.streams


def test_streams_do_not_see_each_others_hooks(tmp_path):
    """Stage features are caught by hooks: with one network for all threads they would catch another batch's."""
    backbone = load_backbone(timm_folder(tmp_path / "model"))
    pictures = [picture.resize((32, 32)) for picture in stripes(64)[0]]
    stages = tuple(range(len(backbone.stages)))
    (whole,) = found([pictures], backbone, Way(batch=1, streams=8), stages=stages)
    np.testing.assert_allclose(whole, direct(backbone, pictures, stages), atol=1e-5)


def test_copies_for_streams_share_the_weights():
    network = for_inference(TinyBackbone(), CPU)
    copied = sharing(network)
    assert copied.net[0] is not network.net[0]
    assert copied.net[0].weight is network.net[0].weight
    assert copied.net[1].running_var is network.net[1].running_var


@pytest.mark.parametrize("way", [Way(batch=4), Way(batch=4, streams=2)])
@pytest.mark.parametrize("bad", [(0,), (3, 4, 5, 9), tuple(range(12))])
def test_what_cannot_be_read_is_noted_and_leaves_a_gap(way, bad):
    backbone, (pictures, _) = TinyBackbone(), stripes(12)

    def decode(row):
        if row in bad:
            raise DataError(f"row {row}: broken")
        return pictures[row]

    network = for_inference(backbone, CPU)
    given, refused = [range(5), range(5, 12)], {}
    parts = list(passes(given, network, decode=decode, placement=CPU, way=way, refused=refused))
    assert refused == {row: f"row {row}: broken" for row in bad}
    together, good = np.concatenate(parts), [row for row in range(12) if row not in bad]
    np.testing.assert_allclose(together[good], direct(backbone, pictures)[good], atol=1e-6)
    assert np.isnan(together[list(bad)]).all()
    with pytest.raises(DataError, match="broken"):
        list(passes(given, network, decode=decode, placement=CPU, way=way))


def test_the_callers_share_of_the_cores_comes_back():
    before = torch.get_num_threads()
    chunks = passes(
        [stripes(8)[0]] * 3, for_inference(TinyBackbone(), CPU), decode=lambda item: item, placement=CPU, way=plain(CPU)
    )
    next(chunks)
    chunks.close()
    assert torch.get_num_threads() == before


def test_no_more_is_decoded_than_a_few_batches_ahead():
    decoded = []
    pictures, _ = stripes(8)

    def decode(row):
        decoded.append(row)
        return pictures[row % 8]

    way = Way(batch=4, streams=2)
    chunks = passes(
        (range(start, start + 8) for start in range(0, 8000, 8)),
        for_inference(TinyBackbone(), CPU), decode=decode, placement=CPU, way=way,
    )  # fmt: skip
    next(chunks)
    assert len(decoded) <= 8 + 4 * (2 * way.streams + 1)
    chunks.close()


def test_a_last_batch_is_filled_up_where_the_shape_is_fixed(monkeypatch):
    shapes = []

    def build(network, stages, count):
        def step(inputs):
            shapes.append(tuple(inputs.shape))
            return Pass(network, stages)(inputs)

        return [step] * count

    monkeypatch.setitem(FORWARDS, "fixed", Kind(build, lambda network, placement: ""))
    backbone, (pictures, _) = TinyBackbone(), stripes(10)
    (whole,) = found([pictures], backbone, Way("fixed", batch=4))
    assert set(shapes) == {(4, 3, 8, 8)}
    np.testing.assert_allclose(whole, direct(backbone, pictures), atol=1e-6)
    batch = torch.zeros(2, 8, 8, 3, dtype=torch.uint8).permute(0, 3, 1, 2)
    assert padded(batch, 4).is_contiguous(memory_format=torch.channels_last)


def test_a_compiler_can_follow_a_watched_pass(tmp_path):
    """One graph, and the same one at the second batch; the generated code is the compiler's own affair."""
    backbone = load_backbone(timm_folder(tmp_path / "model"))
    stages = (0, 2, len(backbone.stages) - 1)
    graphs = []

    def backend(graph, example):
        graphs.append(graph)
        return graph.forward

    pictures = [picture.resize((32, 32)) for picture in stripes(6)[0]]
    inputs = backbone.preprocess.collate([backbone.preprocess.prepare(picture) for picture in pictures])
    step = torch.compile(Watched(sharing(backbone).eval(), stages), backend=backend, fullgraph=True, dynamic=False)
    with torch.inference_mode():
        for batch in (inputs[:3], inputs[3:]):
            torch.testing.assert_close(step(batch), Pass(backbone, stages)(batch))
    assert len(graphs) == 1


def test_compiling_freezes_and_keeps_what_it_makes_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(forward.COMPILER_CACHE, raising=False)
    seen = []

    def play(step, *, dynamic):
        assert dynamic is False
        config = torch._inductor.config
        return lambda inputs: seen.append((config.freezing, config.cpp.threads)) or step(inputs)

    monkeypatch.setattr(torch, "compile", play)
    backbone = load_backbone(timm_folder(tmp_path / "model"))
    pictures = [picture.resize((32, 32)) for picture in stripes(12)[0]]
    (whole,) = found([pictures], backbone, Way("compiled", batch=4, streams=2))
    np.testing.assert_allclose(whole, direct(backbone, pictures), atol=1e-5)
    assert seen[0] == (True, 1)
    assert not torch._inductor.config.freezing
    assert forward.os.environ.pop(forward.COMPILER_CACHE) == str(tmp_path / "cache" / "compiled")


def test_what_a_way_lacks_is_said(tmp_path, monkeypatch):
    image = load_backbone(timm_folder(tmp_path / "model"))
    cpu, gpu = CPU, Placement(device="cuda", threads=2, low=None)
    assert "texts" in FORWARDS["compiled"].lack(TinyBackbone(), cpu)
    assert "GPU" in FORWARDS["compiled"].lack(image, gpu)
    assert "CUDA" in FORWARDS["captured"].lack(image, cpu)
    assert FORWARDS["captured"].lack(image, gpu) == ""
    monkeypatch.setattr(forward.shutil, "which", lambda name: None)
    assert "g++" in FORWARDS["compiled"].lack(image, cpu)


def test_a_captured_pass_runs_its_own_memory_again_for_each_shape(monkeypatch):
    """CUDA is played: a graph remembers what was done to the captured tensors and does it again."""
    log = []

    class Graph:
        def replay(self):
            log.append("replay")
            answer.copy_(given.float() * 2)

    class Nothing:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def wait_stream(self, other):
            pass

    monkeypatch.setattr(torch.cuda, "Stream", Nothing)
    monkeypatch.setattr(torch.cuda, "current_stream", Nothing)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: stream)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph: Nothing())

    def step(inputs):
        nonlocal given, answer
        log.append("step")
        given, answer = inputs, inputs.float() * 2
        return answer

    given = answer = torch.zeros(())
    captured = Captured(step)
    first = captured(torch.ones(2, 3))
    second = captured(torch.full((2, 3), 5.0))
    assert first.tolist() == [[2.0] * 3] * 2
    assert second.tolist() == [[10.0] * 3] * 2
    assert log == ["step"] * 4 + ["replay"] * 2


def test_a_killed_extraction_goes_on_from_its_whole_shards(tmp_path, monkeypatch):
    monkeypatch.setattr("headstart.features.extract.ROWS_PER_SHARD", 4)
    backbone, (pictures, _) = TinyBackbone(), stripes(14)
    decoded = []

    def dies(row):
        if row == 9:
            raise KeyboardInterrupt
        return pictures[row]

    def goes_on(row):
        decoded.append(row)
        return pictures[row]

    with pytest.raises(KeyboardInterrupt):
        extract(range(14), backbone, decode=dies, placement=CPU, folder=tmp_path)
    assert Features.open(tmp_path) is None
    features = extract(range(14), backbone, decode=goes_on, placement=CPU, folder=tmp_path)
    assert sorted(decoded) == list(range(8, 14))
    np.testing.assert_allclose(features.take(range(14)), direct(backbone, pictures), atol=1e-6)
    assert 0 < features.network_s < features.seconds


def test_examples_are_asked_for_shard_by_shard(tmp_path, monkeypatch):
    """A sequence that makes its examples when they are asked for must not make all of them at once, nor any twice."""
    monkeypatch.setattr("headstart.features.extract.ROWS_PER_SHARD", 4)
    pictures, _ = stripes(40)
    made, whole = [], []

    class Lazy(list):
        def __getitem__(self, at):
            assert at.stop - at.start <= 4
            made.extend(range(at.start, at.stop))
            whole.append(len(list(tmp_path.glob("*.safetensors"))))
            return pictures[at]

    extract(Lazy(pictures), TinyBackbone(), decode=_as_it_is, placement=CPU, folder=tmp_path)
    assert made == list(range(40))
    assert whole[-1] >= 3  # shards were on the disk before the last one was made


def test_shards_made_elsewhere_are_the_same_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setattr("headstart.features.extract.ROWS_PER_SHARD", 4)
    backbone, (pictures, _) = TinyBackbone(), stripes(10)
    here = extract(pictures, backbone, decode=_as_it_is, placement=CPU, folder=tmp_path / "here")
    shards = [
        Shard(Features.shard_path(tmp_path / "there", number), pictures[4 * number : 4 * number + 4])
        for number in range(3)
    ]
    for shard in reversed(shards):
        call = pickle.loads(pickle.dumps(([shard], backbone, _as_it_is)))  # as another process would get it
        extract_shards(call[0], call[1], decode=call[2], placement=CPU, count=len(shard.items))

    def refuse(item):
        raise AssertionError("decoded again")

    there = extract(pictures, backbone, decode=refuse, placement=CPU, folder=tmp_path / "there")
    np.testing.assert_array_equal(here.take(range(10)), there.take(range(10)))


def _as_it_is(item):
    return item
