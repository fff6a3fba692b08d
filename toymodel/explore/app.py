"""The explorer's page: where everything stands.  `python -m toymodel explore` serves it."""

import marimo

app = marimo.App(width="full", app_title="two-circuits explorer", css_file="page.css")


@app.cell
def _():
    import marimo as mo

    from toymodel.explore import answer, nets, settings
    from toymodel.explore.explorer import Explorer

    return Explorer, answer, mo, nets, settings


@app.cell
def _(Explorer, mo):
    explorer = Explorer()
    # Other cells get them as text: marimo runs those that know a widget whenever it changes.
    _widgets = [mo.ui.anywidget(w) for w in (explorer.sliders, explorer.curves, explorer.numbers, explorer.diagram)]
    controls, curves, numbers, diagram = (f"{widget}" for widget in _widgets)
    return controls, curves, diagram, explorer, numbers


@app.cell
def _(answer, explorer, mo, nets, settings):
    begin = mo.ui.dropdown(
        list(settings.PLACES),
        label="Begin with",
        full_width=True,
        on_change=lambda name: name and explorer.move(**settings.DEFAULTS | settings.PLACES[name]),
    )
    names = {settings.SLIDERS[n].title: n for n in answer.AXES if n in settings.SLIDERS}
    titles = {name: title for title, name in names.items()}
    across = mo.ui.dropdown(names, value=titles["dataset_size"], label="Across")
    up = mo.ui.dropdown(names, value=titles["kappa"], label="Up")
    folder = mo.ui.text(nets.default_place(), label="Results: netCDF or CSV file, or folder", full_width=True)
    page = mo.ui.radio(["The toy model", "Beside a real run"], value="The toy model", inline=True)
    return across, begin, folder, page, up


@app.cell
def _(folder, mo, nets, page):
    files, file_trouble = {}, ""
    if page.value == "Beside a real run":
        try:
            _found = nets.files(folder.value)
            _short = ["/".join(path.parts[-3:]) for path in _found]
            files = dict(zip(_short, _found, strict=True))
        except ValueError as error:
            file_trouble = str(error)
    file = mo.ui.dropdown(files, value=next(iter(files), None), label="File")
    return file, file_trouble


@app.cell
def _(file, mo, nets):
    runs, run_trouble = {}, ""
    if file.value:
        try:
            runs = nets.runs(file.value)
        except ValueError as error:
            run_trouble = str(error)
    chosen = mo.ui.dropdown(runs, value=next(iter(runs), None), label="Run")
    return chosen, run_trouble


@app.cell
def _(chosen, mo):
    read = chosen.value and chosen.value()
    # Only where the file does not say it, as CSV files do not.
    ask = read and not read.num_classes
    classes = mo.ui.text("", label="Number of classes", placeholder="for chance; guessed") if ask else None
    return classes, read


@app.cell
def _(classes, nets, read):
    net, class_trouble = read, ""
    if read and classes is not None and classes.value:
        try:
            net = nets.with_classes(read, classes.value)
        except (ValueError, TypeError) as error:
            net, class_trouble = None, str(error)
    return class_trouble, net


@app.cell
def _(explorer, mo):
    take = mo.ui.button(label="Set the sliders as this run was measured", on_click=lambda _: explorer.take())
    meet = mo.ui.switch(True, label="Stretch time so that both fit, or end, at the same step")
    pace = mo.ui.slider(
        steps=[float(f"{10 ** (k / 20):.3g}") for k in range(-40, 101)],
        value=10.0,
        label="Steps per unit of flow time",
        show_value=True,
        full_width=True,
    )
    return meet, pace, take


@app.cell
def _(across, class_trouble, explorer, file_trouble, meet, net, pace, page, run_trouble, up):
    explorer.axes = (across.value, up.value) if page.value == "The toy model" else None
    explorer.beside(net, file_trouble or run_trouble or class_trouble)
    explorer.pace = None if meet.value else pace.value
    explorer.show()
    return


@app.cell
def _(across, begin, chosen, classes, controls, curves, diagram, file, folder, meet, mo, numbers, pace, page, take, up):
    if page.value == "The toy model":
        _side = f"<div class='choices'>{across}{up}</div>{diagram}"
    else:
        _time = f"{meet}{'' if meet.value else pace}"
        _asked = classes if classes is not None else ""
        _side = f"<div class='choices'><div class='wide'>{folder}</div>{file}{chosen}{_asked}{take}{_time}</div>"
    mo.Html(
        f"<header><h1>Two circuits</h1>{page}</header>"
        f"<main><div class='curves'>{curves}</div><div class='controls'>{begin}{controls}</div>"
        f"<div class='side'>{_side}{numbers}</div></main>"
    )
    return


if __name__ == "__main__":
    app.run()
