"""The README says what its sources say, and its example runs."""

import re

from figures import readme


def test_readme_is_what_its_program_writes() -> None:
    text = readme.README.read_text(encoding="utf-8")
    assert readme.render(text) == text, "run `python -m figures.readme`"


def test_readme_example_runs_and_ungroks() -> None:
    blocks = re.findall(r"```python\n(.*?)```", readme.README.read_text(encoding="utf-8"), re.DOTALL)
    (example,) = [block for block in blocks if "import toymodel" in block]
    names: dict[str, object] = {}
    exec(example, names)
    assert names["run"].behaviour == "grokking"  # type: ignore[attr-defined]
    assert names["run"].continue_with(dataset_size=400).behaviour == "ungrokking"  # type: ignore[attr-defined]
