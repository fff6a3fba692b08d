"""The explorer: the two-circuit model under sliders, in the browser, on this machine (`python -m toymodel explore`).

settings    what can be moved, and the model that the sliders amount to
answer      what is shown of one model: its run, its state at rest, its times; and the phase diagram around it
networks        measured runs of networks, from realnet's files and from CSV
beside      such a run laid over the toy's
match       the sliders that give the toy a run's times and norm
drawing     charts, as SVG
widget      the picture that a page shows and that can be clicked, and the sliders
explorer    what follows a move of a slider
app         the marimo app: where everything stands
serve       the command
"""
