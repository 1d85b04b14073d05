"""The gap between what a model does on its training data and on data it has not seen."""

from __future__ import annotations

from math import sqrt

from headstart.prove.estimate import Estimate, undefined


def gap(train: Estimate, test: Estimate) -> Estimate:
    """`train` minus `test` of one metric on two independent samples, with the interval that their own intervals
    imply.

    Square-and-add (Newcombe 1998; Zou and Donner 2008): low = d − √((train − train.low)² + (test.high − test)²), high
    alike. `n` is the test sample's. Undefined where either figure is, and without an interval where either has none.
    """
    if train.value is None or test.value is None:
        return undefined(test.n, "the metric is not defined on both samples")
    value = train.value - test.value
    if train.low is None or train.high is None or test.low is None or test.high is None:
        return Estimate(value, None, None, test.n, "no interval: one of the two has none")
    low = value - sqrt((train.value - train.low) ** 2 + (test.high - test.value) ** 2)
    high = value + sqrt((train.high - train.value) ** 2 + (test.value - test.low) ** 2)
    return Estimate(value, low, high, test.n, "square-and-add")
