"""What follows a move of a slider: its widget tells Python, which sets what is shown.

A cell of marimo takes longer to run than the answer, so that a move runs none.
"""

from threading import Lock, Timer
from typing import Any

from . import answer, beside, settings
from .match import matched
from .nets import Net
from .settings import Values
from .widget import Picture, Sliders

# For how long, in seconds, the sliders rest before the phase diagram is swept, which takes more than answers do.
REST = 0.1


class Explorer:
    """Sliders, curves, numbers and phase diagram.

    axes      what the phase diagram has across and up; None on the page beside a real run
    network       the run that the toy is laid beside there; None where there is none, which `trouble` tells of
    pace      its steps per unit of flow time; None: so that both fit, or end, together
    said      what the sliders match of it and what they cannot, since they were set as it was measured
    """

    def __init__(self) -> None:
        groups = [
            [title, [[s.name, s.title, s.steps, s.whole] for s in map(settings.SLIDERS.__getitem__, names)]]
            for title, names in settings.GROUPS.items()
        ]
        self.sliders = Sliders(groups=groups, values=settings.settled({}), defaults=settings.DEFAULTS)
        self.curves, self.numbers, self.diagram = Picture(), Picture(), Picture()
        self.axes: tuple[str, str] | None = None
        self.net: Net | None = None
        self.pace: float | None = None
        self.trouble = ""
        self.said: list[str] = []
        self.drawn: tuple[Values, tuple[str, str]] | None = None
        self.phases: tuple[answer.Phases, str, str] | None = None
        self.sweeping = Lock()
        self.resting = Timer(0.0, self._sweep)
        self.sliders.observe(self._asked, "asked")
        self.diagram.observe(self._clicked, "clicked")

    @property
    def values(self) -> dict[str, float]:
        """Where the sliders stand."""
        return settings.settled(self.sliders.values)

    def move(self, **changed: float) -> None:
        """Moves some sliders."""
        self.sliders.values = settings.settled({**self.values, **changed})
        self.said = []
        self.show()

    def beside(self, network: Net | None, trouble: str = "") -> None:
        """Puts a run beside the toy, or says why there is none; what was said of another is gone."""
        if network is not self.net:
            self.said = []
        self.net, self.trouble = network, trouble

    def take(self) -> None:
        """Sets the sliders as the run beside was measured."""
        if self.net is not None:
            values, said = matched(self.net)
            self.sliders.values, self.said = values, said
            self.show()

    def show(self) -> None:
        """Answers at once.  The phase diagram follows on a thread of its own, so that no answer waits for it."""
        try:
            self.sliders.code = settings.python(self.values)
            top, charts, rows = self._shown()
            self.curves.html = answer.layout(top, charts)
            self.numbers.html = answer.notes(self.said) + answer.table(rows)
        except (ValueError, ArithmeticError) as error:
            self.curves.html, self.numbers.html = answer.refusal(error), ""
        self.resting.cancel()
        self.resting = Timer(REST, self._sweep)
        self.resting.daemon = True
        self.resting.start()

    def _shown(self) -> tuple[str, list[str], list[tuple[str, list[tuple[str, str]]]]]:
        """Headline, charts and numbers.  ValueError for what the model refuses, and without a network to lie beside."""
        values, net = self.values, self.net
        if self.axes:
            found = answer.answer(values)
            return answer.headline(found), answer.charts(found), answer.rows(found)
        if net is None:
            raise ValueError(self.trouble)
        pace = self.pace or beside.meeting_pace(net, answer.run(values))
        # What is drawn is what is named: the toy's run ends where the net's does.
        values["t_end"] = beside.last_step(net) / pace
        run = answer.run(values)
        self.sliders.code = settings.python(values)
        return beside.headline(net, run), beside.overlay(net, run, pace), beside.rows(net, run, pace)

    def _sweep(self) -> None:
        """Draws the phase diagram for where the sliders stand by now."""
        with self.sweeping:
            values, axes = self.values, self.axes
            if not axes or (values, axes) == self.drawn:
                return
            self.drawn = values, axes
            try:
                found = answer.phases(values, *axes)
                self.diagram.html = answer.phase_chart(found, values, *axes)
                self.phases = found, *axes
            except (ValueError, ArithmeticError) as error:
                self.diagram.html, self.phases = answer.refusal(error), None

    def _asked(self, change: Any) -> None:
        self.said = []
        try:
            self.show()
        finally:
            self.sliders.answered = change["new"]

    def _clicked(self, change: Any) -> None:
        if self.phases:
            self.move(**answer.clicked(*self.phases, change["new"][:2]))
