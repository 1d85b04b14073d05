"""What a run proves: metrics with intervals, comparisons that end in a verdict, calibration, the train/test gap.

Pure: arrays and numbers in, frozen results out; randomness is passed in. Reading order: `estimate`, `answers`,
`metrics`, `compare`, `calibrate`, `generalise`.
"""
