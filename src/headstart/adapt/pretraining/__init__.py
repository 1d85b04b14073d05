"""Pre-training, stage one of transfer: a backbone of one's own from pictures or texts."""
