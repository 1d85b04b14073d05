"""How deep to adapt: strategies, the one training loop, the search within a budget, pre-training."""
