"""Figures of trained networks, beside the toy model where it has something to say: `draw(study)`."""
