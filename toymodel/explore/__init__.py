"""The explorer: the two-circuit model under sliders, in the browser, on this machine (`python -m toymodel explore`).

settings    what can be moved, and the model that the sliders amount to
answer      what is shown of one model: its run, its state at rest, its times; and the phase diagram around it
nets        saved runs of real networks, and what can be read off them
drawing     charts, as SVG
widget      the picture that a page shows and that can be clicked, and the sliders
explorer    what follows a move of a slider
app         the marimo app: where everything stands
serve       the command
"""
