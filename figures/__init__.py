"""Every figure of the project, one file a figure, redrawn when its content is stale.

    python -m figures list
    python -m figures build [NAME ...] [--force]

A figure is a file here with a function `draw() -> (Figure, numbers)` and a text `CAPTION` with those numbers in
braces; the picture has the file's name.  Figures read the public functions of `toymodel` and saved results; they
never train.

    catalogue   which figures there are, what each is made from
    render      one figure to PNG, SVG, PDF and caption, whole or not at all
    tasks       what is stale, by content (doit behind it)
    paths       where everything is
    palette     one colour, one meaning
"""
