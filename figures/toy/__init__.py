"""Figures of the toy model alone."""
