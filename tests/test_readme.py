"""The README says what its sources say."""

from figures import readme


def test_readme_is_what_its_program_writes() -> None:
    text = readme.README.read_text(encoding="utf-8")
    assert readme.render(text) == text, "run `python -m figures.readme`"
