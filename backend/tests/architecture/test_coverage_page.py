"""The page that says which test covers which known attack, requirement or flaw is held against the tests."""

from pathlib import Path

import pytest

from tests.architecture.coverage_page import PAGE, findings, ids_of_tests, rows_of

ROW = "| 3.7-01 | Timing tells who exists | {} |"
TEST = "routers/test_login.py::test_an_unknown_address_costs_as_much"
TESTS = {TEST: frozenset({"3.7-01"}), "test_uses.py::test_another": frozenset[str]()}


def test_the_page_is_true() -> None:
    """Every row names tests that are there and name its id, or says why there is none; every id of a test has a row."""
    rows = rows_of(PAGE.read_text(encoding="utf-8"))
    assert findings(rows, ids_of_tests()) == []


def test_the_page_lists_every_kind_of_id() -> None:
    """A page whose rows are not recognised as such would be true of anything."""
    text = PAGE.read_text(encoding="utf-8")
    rows = rows_of(text)
    lines = [line for line in text.splitlines() if line.startswith("| ") and line[2:4] not in {"id", "--"}]
    assert len(rows) == len(lines)
    assert {"3.7-01", "JW-08", "S24", "V13.4.2"} <= {row.id for row in rows}


@pytest.mark.parametrize(
    ("page", "wrong"),
    [
        pytest.param(ROW.format(f"`{TEST}`"), [], id="true"),
        pytest.param(
            ROW.format("`routers/test_login.py::test_that_went_away`"),
            [
                "3.7-01: there is no routers/test_login.py::test_that_went_away",
            ],
            id="a test that is not there",
        ),
        pytest.param(
            ROW.format("`test_uses.py::test_another`"),
            ["3.7-01: test_uses.py::test_another does not name it"],
            id="a test of something else",
        ),
        pytest.param(
            ROW.format("Not yet: nobody has come to it."),
            ["3.7-01: a test names it, and the page says: Not yet: nobody has come to it."],
            id="a reason that a test has overtaken",
        ),
        pytest.param(
            "| S24 | Hashing only for known users | Not yet: nobody has come to it. |",
            ["3.7-01: a test names it, and the page does not list it"],
            id="an id that is not listed",
        ),
        pytest.param(
            "\n".join([ROW.format(f"`{TEST}`")] * 2), ["3.7-01: listed more than once"], id="an id that is listed twice"
        ),
    ],
)
def test_a_page_that_is_not_true_is_found_out(page: str, wrong: list[str]) -> None:
    assert findings(rows_of(page), TESTS) == wrong


@pytest.mark.parametrize("cell", ["", "Later.", f"`{TEST}` and others", f"Not yet: but see `{TEST}`"])
def test_a_row_has_tests_or_a_reason(cell: str) -> None:
    with pytest.raises(ValueError, match=r"3\.7-01: neither tests nor a reason"):
        rows_of(ROW.format(cell or " "))


def test_ids_are_read_from_the_docstrings_of_tests_alone(tmp_path: Path) -> None:
    folder = tmp_path / "routers"
    folder.mkdir()
    (folder / "test_login.py").write_text(
        '"""S01: of the module."""\n\n\n'
        "async def test_one() -> None:\n"
        '    """3.7-01, JW-08: RS256, S256, S104 and V13.4.2, but neither 13.7-011 nor CVE-2024-33663."""\n'
        "    # S02\n\n\n"
        'def helper() -> None:\n    """S03."""\n',
        encoding="utf-8",
    )
    assert ids_of_tests(tmp_path) == {"routers/test_login.py::test_one": {"3.7-01", "JW-08", "S104", "V13.4.2"}}
