"""How results and errors are shown."""

import json

import pytest
from rich.text import Text

from certsmith.terminal import Terminal, facts, table


def test_a_result_is_one_json_document_or_lines(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(as_json=True).show({"answer": 42}, "for people")
    Terminal(as_json=False).show({"answer": 42}, "for people")

    out = capsys.readouterr().out
    document, _, rest = out.rpartition("}\n")
    assert json.loads(f"{document}}}") == {"answer": 42}
    assert rest == "for people\n"


def test_programs_get_nothing_but_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(as_json=True).say("just so you know")

    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_an_error_goes_to_programs_as_a_document_and_to_people_as_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(as_json=True).fail({"error": "x"}, "it is so\nand so")
    Terminal(as_json=False).fail({"error": "x"}, "it is so\nand so")

    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"error": "x"}
    assert captured.err == "error: it is so\n       and so\n"


def test_piped_output_is_neither_cut_nor_padded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "x" * 300
    monkeypatch.delenv("COLUMNS", raising=False)

    Terminal(as_json=False).show({}, table("a", "b", rows=[(Text(long), Text(""))]), facts([("name", long)]))

    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == [long, f"name  {long}"]
    assert all(line == line.rstrip() for line in lines)


def test_markup_in_untrusted_text_is_shown_literally(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(as_json=False).show({}, "[red]no[/red] :smile:")

    assert capsys.readouterr().out == "[red]no[/red] :smile:\n"
