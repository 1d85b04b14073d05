"""Which pre-trained model: candidates scored on the target's features, ordered, with the reason."""
