"""Every figure of the project, one file a figure, redrawn when its content is stale; the report page; the READMEs' numbers.

    python -m figures list
    python -m figures build [NAME ...] [--force] [--data DIR] [--out DIR]
    python -m figures page DIR
    python -m figures readme [--check]

A figure is a file in a folder, such as toy/, with a function `draw() -> (Figure, numbers)` and a text `CAPTION` with those
numbers in braces; the picture has the file's name.  Figures of networks name the saved results they need in DATA, and what
they show where it is there in ALSO, and are given them: `draw(study)`.  Figures read the public functions of `toymodel` and
saved results; they never train.  A saved result "omnigrok/..." is one of the rival theory's study.

    catalogue   which figures there are, in which order, what each is made from
    render      one figure to PNG, SVG, PDF and caption, whole or not at all
    tasks       what is stale, by content (doit behind it)
    study       saved runs of one folder; verdicts: what was judged from them
    palette     one colour, one meaning
    page        the report page of a folder of judged runs
    readme      the numbers in README.md and the gallery, figures/README.md
"""
