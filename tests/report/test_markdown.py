import pandas as pd

from glc.report.markdown import Block, markdown, parse


def test_tables_come_back_from_markdown_as_they_are_shown():
    frame = pd.DataFrame({"model": ["a | b", "c"], "F1": [0.25, float("nan")], "seconds": [12.34, 1.0]})
    text = "# A page\n\n" + markdown("First", frame, ["A remark."]) + markdown("Second", frame[["model"]])
    assert parse(text) == [
        Block("A page"),
        Block("First", ["model", "F1", "seconds"], [["a | b", "0.2500", "12.3"], ["c", "", "1.0"]], ["A remark."]),
        Block("Second", ["model"], [["a | b"], ["c"]]),
    ]
