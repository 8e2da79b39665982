"""The report in a browser: tooltips, filters, players, dark mode."""

from pathlib import Path

import pytest
from browser import CHROMIUM, open_page

from mmn.reporting.report import write_report

DRAWN = "window.Bokeh && Bokeh.documents.length > 0 && Bokeh.documents[0].is_idle"
_TOOLTIPS = """
// Bokeh draws in shadow trees within shadow trees.
window.tooltips = (root) => [...root.querySelectorAll("*")].map((element) => !element.shadowRoot ? "" :
  (element.matches(".bk-Tooltip") ? element.shadowRoot.textContent : "") + tooltips(element.shadowRoot)).join("");
"""


@pytest.fixture(scope="module")
def page(evaluated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of an evaluation against itself: every section, twice."""
    output = tmp_path_factory.mktemp("page") / "r.html"
    write_report([evaluated], output, [evaluated])
    return output


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_tooltips_filters_and_players_work_without_errors(page: Path, tmp_path: Path) -> None:
    with open_page(page, tmp_path) as browser:
        browser.until(DRAWN)

        browser.evaluate("document.querySelector('#confusion').scrollIntoView()")
        plot = "document.querySelector('#confusion .card').getBoundingClientRect().toJSON()"
        place = browser.evaluate(plot)
        x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
        browser.evaluate(_TOOLTIPS)
        browser.point(x, y)
        browser.until("/true.*predicted.*clips.*share/s.test(tooltips(document))")

        browser.evaluate("document.querySelector('#filter').focus()")
        browser.call("Input.insertText", text="WAVE")
        rows = "[...document.querySelectorAll('.class-table tbody tr')].filter((row) => !row.hidden).length"
        assert browser.evaluate(rows) == 2

        cells = "[...document.querySelectorAll('.class-table td:nth-child(5)')]"
        browser.evaluate("[...document.querySelectorAll('.class-table th button')][4].click()")
        found = browser.evaluate(f"{cells}.map((cell) => parseFloat(cell.textContent))")  # recalls
        assert found[:14] == sorted(found[:14], reverse=found[0] > found[13])
        assert found[0] != found[13]

        browser.evaluate("document.querySelector('.play').focus()")
        browser.press("Enter", 13)
        browser.until("Number(document.querySelector('.player input').value) > 0")
        assert browser.evaluate("document.querySelector('.play').getAttribute('aria-pressed')") == "true"
        browser.press("Enter", 13)
        assert browser.evaluate("document.querySelector('.play').textContent") == "play"
        assert browser.errors == []


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_the_page_follows_dark_mode_and_fits_a_phone(page: Path, tmp_path: Path) -> None:
    with open_page(page, tmp_path, width=390, height=800, dark=True) as browser:
        browser.until(DRAWN)
        assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 28)"
        assert browser.evaluate("document.documentElement.scrollWidth") <= 390
        assert browser.errors == []
