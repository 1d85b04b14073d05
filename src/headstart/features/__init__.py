"""Features: the activations of a backbone at its stages, for every example of a data set."""
