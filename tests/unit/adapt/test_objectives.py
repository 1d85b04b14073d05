"""What a student learns from: segments that add up to the network, losses in units of variance, phases."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import timm
import torch
from torch import nn

from headstart.adapt.objectives import Distil, Supervised, mixed, relative_error
from headstart.adapt.precision import spare_slow_layers
from headstart.adapt.pretraining.steps import schedule
from headstart.adapt.pretraining.teacher import Renormalised, Scale
from headstart.adapt.segments import segments
from headstart.runtime import Placement

SMALL = {"depth_multiplier": 0.34}


def _net(name="mobilenetv2_050", *, seed=0, **arguments):
    torch.manual_seed(seed)
    return timm.create_model(name, num_classes=0, **arguments).eval()


@pytest.mark.parametrize(
    ("name", "arguments", "count"),
    [("mobilenetv2_050", {}, 8), ("resnet10t", {}, 4), ("resnet18", {}, 4), ("vgg11", {}, 1), ("convnext_atto", {}, 1)],
)
def test_segments_do_together_what_the_network_does(name, arguments, count):
    net, pixels = _net(name, **arguments), torch.rand(2, 3, 64, 64) * 2 - 1
    cut = segments(net)
    assert len(cut) == count
    with torch.inference_mode():
        torch.testing.assert_close(nn.Sequential(*cut)(pixels), net.forward_features(pixels))


def test_a_teacher_with_other_pixels_is_cut_like_its_network():
    net, pixels = _net("resnet10t"), torch.rand(2, 3, 64, 64) * 2 - 1
    teacher = Renormalised(net, Scale(torch.tensor([2.0, 1.0, 0.5]), torch.tensor([0.1, 0.2, 0.3])))
    cut = segments(teacher)
    assert len(cut) == 4
    with torch.inference_mode():
        torch.testing.assert_close(nn.Sequential(*cut)(pixels), teacher.forward_features(pixels))


def test_a_student_that_is_its_teacher_has_no_error_in_either_phase():
    net = _net()
    objective = Distil(copy.deepcopy(net), net, 64)
    assert objective.alike
    for phase in (0, 1):
        loss = objective.loss(net, torch.rand(4, 3, 64, 64), np.arange(4), phase, np.random.default_rng(1))
        assert float(loss.detach()) < 1e-6


def test_apart_a_segment_sees_what_the_teacher_gives_it():
    teacher, student = _net(), _net()
    with torch.no_grad():
        student.blocks[0][0].conv_pw.weight.add_(0.5)  # only the first segment is wrong
    objective, pixels = Distil(teacher, student, 64), torch.rand(4, 3, 64, 64)
    losses = [objective.loss(student, pixels, np.arange(4), phase, np.random.default_rng(1)) for phase in (0, 1)]
    assert 0 < float(losses[0].detach()) < float(losses[1].detach())
    losses[0].backward()
    moved = [max(float(one.grad.abs().max()) for one in part.parameters()) > 1e-4 for part in segments(student)]
    assert moved == [True] + [False] * 7


def test_networks_that_cannot_be_cut_alike_are_compared_at_the_end():
    teacher, student = _net("resnet10t"), _net()
    objective = Distil(teacher, student, 64)
    assert not objective.alike
    assert objective.phases == (1.0,)
    loss = objective.loss(student, torch.rand(4, 3, 64, 64), np.arange(4), 0, np.random.default_rng(0))
    loss.backward()
    assert all(one.grad is not None for piece in objective.pieces(student) for one in piece.parameters())
    assert all(one.grad is None for one in teacher.parameters())


def test_a_shorter_student_is_cut_like_its_teacher():
    objective = Distil(_net(), _net(**SMALL), 64)
    assert objective.alike


def test_every_moving_weight_is_clipped():
    for objective, net in ((Supervised(np.zeros(4, int), 1280, 2), _net()), (Distil(_net(), _net(), 64), _net())):
        inside = {id(one) for piece in objective.pieces(net) for one in piece.parameters()}
        assert inside == {id(one) for one in [*net.parameters(), *objective.parameters()]}


def test_relative_error_is_one_for_the_mean_and_does_not_see_the_scale():
    wanted = torch.randn(64, 6, 5, 5, generator=torch.Generator().manual_seed(0))
    mean = wanted.mean((0, 2, 3), keepdim=True).expand_as(wanted)
    value = relative_error(mean, wanted)
    assert float(value) == pytest.approx(1 / 1.1, rel=0.01)  # a tenth of the mean variance is added
    assert float(relative_error(1000 * mean, 1000 * wanted)) == pytest.approx(float(value), rel=1e-4)


def test_mixed_views_lie_between_two_of_the_batch():
    views = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 2, 2)
    found = mixed(views, np.random.default_rng(0))
    assert found.min() >= 0
    assert found.max() <= 3
    assert not torch.equal(found, views)
    torch.testing.assert_close(found, mixed(views, np.random.default_rng(0)))


def test_the_schedule_starts_anew_in_each_phase():
    found = [schedule(step, 100, (0.3, 0.7)) for step in range(100)]
    assert [phase for phase, _ in found] == [0] * 30 + [1] * 70
    assert found[29][1] < 0.02
    assert found[36][1] > 0.9
    assert found[99][1] < 0.02
    assert all(0 < factor <= 1 for _, factor in found)


def test_strided_depthwise_layers_train_in_float32_under_autocast():
    net, pixels = _net(), torch.rand(2, 3, 64, 64)
    names, before = list(net.state_dict()), net(pixels)
    spare_slow_layers(net, Placement(device="cpu", threads=1, low="bfloat16"))
    net = copy.deepcopy(net)  # as the training loop does
    assert list(net.state_dict()) == names
    seen = {}
    for name in ("blocks.1.0.conv_dw", "blocks.1.1.conv_dw"):
        net.get_submodule(name).register_forward_hook(lambda _, __, out, name=name: seen.update({name: out.dtype}))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        net(pixels)
    assert seen == {"blocks.1.0.conv_dw": torch.float32, "blocks.1.1.conv_dw": torch.bfloat16}
    torch.testing.assert_close(net(pixels), before)


def test_without_reduced_precision_nothing_is_changed():
    net = _net()
    classes = [type(module) for module in net.modules()]
    spare_slow_layers(net, Placement(device="cpu", threads=1, low=None))
    assert [type(module) for module in net.modules()] == classes
