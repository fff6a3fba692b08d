"""The explorer's page: where everything stands.  `python -m toymodel explore` serves it."""

import marimo

app = marimo.App(width="full", app_title="two-circuits explorer", css_file="page.css")


@app.cell
def _():
    import marimo as mo

    from toymodel.explore import answer, beside, nets, settings
    from toymodel.explore.widget import Picture

    return Picture, answer, beside, mo, nets, settings


@app.cell
def _(Picture, mo, settings):
    # `place` moves the sliders; `now` is where they stand, for whoever moves some of them.
    place, set_place = mo.state(settings.settled({}))
    now = {}
    shown = {}

    def move(**changed):
        set_place(settings.settled({**now, **changed}))

    def follow(change):
        from toymodel.explore.answer import clicked

        if change["new"]:
            move(**clicked(shown["phases"], shown["across"], shown["up"], change["new"][:2]))

    curves, diagram, numbers = (mo.ui.anywidget(Picture()) for _ in range(3))
    diagram.widget.observe(follow, "clicked")
    return curves, diagram, move, now, numbers, place, set_place, shown


@app.cell
def _(mo, place, settings):
    # `controls` is made here, not where the page is laid out: a cell that reads `sliders` runs at every move of one.
    sliders = mo.ui.dictionary(
        {
            name: mo.ui.slider(
                steps=list(s.steps), value=place()[name], label=s.title, show_value=True, full_width=True
            )
            for name, s in settings.SLIDERS.items()
        }
    )
    controls = "".join(
        f"<fieldset><legend>{title}</legend>{''.join(f'{sliders.elements[n]}' for n in names)}</fieldset>"
        for title, names in settings.GROUPS.items()
    )
    return controls, sliders


@app.cell
def _(answer, mo, nets, set_place, settings):
    begin = mo.ui.dropdown(
        list(settings.PLACES),
        label="Begin with",
        full_width=True,
        on_change=lambda name: name and set_place(settings.settled(settings.PLACES[name])),
    )
    names = {settings.SLIDERS[n].title: n for n in answer.AXES if n in settings.SLIDERS}
    titles = {name: title for title, name in names.items()}
    across = mo.ui.dropdown(names, value=titles["dataset_size"], label="Across")
    up = mo.ui.dropdown(names, value=titles["kappa"], label="Up")
    folder = mo.ui.text(nets.default_place(), label="Results: file or folder", full_width=True)
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
def _(chosen):
    net = chosen.value and chosen.value()
    return (net,)


@app.cell
def _(mo, move, net, nets, now):
    take = mo.ui.button(
        label="Set the sliders as this run was measured",
        on_click=lambda _: net and move(**nets.read_off(net, now)),
    )
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
def _(answer, beside, curves, file_trouble, meet, net, now, numbers, pace, page, run_trouble, sliders):
    now.update(sliders.value)
    try:
        _found = answer.answer(sliders.value)
        _top = answer.headline(_found)
        if page.value == "The toy model":
            _charts, _rows = answer.charts(_found), answer.rows(_found)
        elif net is None:
            raise ValueError(file_trouble or run_trouble)
        else:
            _pace = beside.meeting_pace(net, _found) if meet.value else pace.value
            _top = beside.headline(net, _found)
            _charts = beside.overlay(net, _found, _pace)
            _rows = beside.rows(net, _found, _pace)
        curves.widget.html = answer.layout(_top, _charts)
        numbers.widget.html = answer.table(_rows)
    except (ValueError, ArithmeticError) as error:
        curves.widget.html, numbers.widget.html = answer.refusal(error), ""
    return


@app.cell
def _(across, answer, diagram, page, shown, sliders, up):
    if page.value == "The toy model":
        try:
            _found = answer.phases(sliders.value, across.value, up.value)
            shown.update(phases=_found, across=across.value, up=up.value)
            diagram.widget.html = answer.phase_chart(_found, sliders.value, across.value, up.value)
        except (ValueError, ArithmeticError) as error:
            diagram.widget.html = answer.refusal(error)
    return


@app.cell
def _(across, begin, chosen, controls, curves, diagram, file, folder, meet, mo, numbers, pace, page, take, up):
    if page.value == "The toy model":
        _side = f"<div class='choices'>{across}{up}</div>{diagram}"
    else:
        _time = f"{meet}{'' if meet.value else pace}"
        _side = f"<div class='choices'><div class='wide'>{folder}</div>{file}{chosen}{take}{_time}</div>"
    mo.Html(
        f"<header><h1>Two circuits</h1>{page}</header>"
        f"<main><div class='curves'>{curves}</div><div class='controls'>{begin}{controls}</div>"
        f"<div class='side'>{_side}{numbers}</div></main>"
    )
    return


if __name__ == "__main__":
    app.run()
