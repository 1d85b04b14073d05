"""From raw files to audited, split examples."""
