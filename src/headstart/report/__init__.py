"""Evidence made readable: the page, the model card, the end of a run on the terminal, the notebook."""
