"""From weights to backbones: source cards, one protocol, one adapter file per family."""
