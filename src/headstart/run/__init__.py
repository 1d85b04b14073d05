"""The run folder, its journal, and the clock of a budget."""
