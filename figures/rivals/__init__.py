"""Figures of the rival theory, Omnigrok, on the same runner, and of the two theories side by side: `draw(study)`."""
