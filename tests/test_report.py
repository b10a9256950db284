"""The HTML report of the quick start in headless Chromium: it opens on the verdicts, and all in it can be reached.

Needs Debian's chromium and chromium-driver, which `make test-report` installs.
"""

import base64
import io
import shutil
import urllib.parse

import pandas as pd
import pytest
from conftest import run_snakemake
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

pytestmark = pytest.mark.browser

FIGURES = {
    "Convergence": ["digits"],
    "Temperature": ["digits"],
    "What the models learned": ["digits 5 images", "digits 10 images", "digits 20 images"],
}
TABLES = {
    "Claims": ["comparisons", "verdicts"],
    "Tables": ["diverged runs", "selected temperatures", "test loss"],
    "What the models learned": ["use of the codes"],
}


@pytest.fixture(scope="module")
def browser():
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("needs chromium and chromedriver: make test-report")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--window-size=1400,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def report(quickstart, browser):
    """The address of the report, opened once."""
    run_snakemake(quickstart, "--report", "report.html", "--configfile", "configs/quickstart.yaml")
    return (quickstart / "report.html").as_uri()


@pytest.fixture
def opened(browser, report):
    browser.get(report)
    WebDriverWait(browser, 60).until(lambda page: "Results" in text_of(page) or "RESULTS" in text_of(page))
    yield browser
    errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []


def text_of(page) -> str:
    return page.find_element(By.TAG_NAME, "body").text


def click(page, text: str) -> None:
    page.find_element(By.XPATH, f"//nav//*[normalize-space(text())='{text}']").click()


def entries_of(page, category: str) -> dict[str, tuple]:
    """Open a category; return the links to the content and to the caption of each of its results, by its labels."""
    click(page, category)
    rows = WebDriverWait(page, 30).until(lambda page: page.find_elements(By.XPATH, "//nav//tbody/tr"))
    return {row.text.replace("\n", " "): row.find_elements(By.TAG_NAME, "a") for row in rows}


def test_it_opens_on_the_verdicts(opened):
    table = opened.find_element(By.CSS_SELECTOR, "table.docutils")
    assert table.location["y"] >= 0, "its head must not be above the window"
    lines = table.text.splitlines()
    assert lines[1] == "claim measure as a whole for / against / open"
    assert len(table.find_elements(By.CSS_SELECTOR, "tbody tr")) == 9
    assert "1 negative ELBO inconclusive 0 / 0 / 6" in lines


def test_it_has_these_categories_and_no_more(opened):
    shown = text_of(opened).split("RESULTS\n")[1].splitlines()
    categories = ["Claims", "Configuration", "Convergence", "Tables", "Temperature", "What the models learned"]
    assert shown[: len(categories)] == categories


@pytest.mark.parametrize(("category", "labels"), FIGURES.items())
def test_every_figure_is_shown_with_its_caption(opened, category, labels):
    entries = entries_of(opened, category)
    for label in labels:
        link, caption = entries[label]
        source = link.get_attribute("href") if "data:image" in link.get_attribute("href") else None
        link.click()
        if source is None:
            WebDriverWait(opened, 30).until(lambda page: page.find_elements(By.CSS_SELECTOR, "img[src*='image/png']"))
            source = opened.find_element(By.CSS_SELECTOR, "img[src*='image/png']").get_attribute("src")
        width = opened.execute_async_script(
            "const [source, done] = arguments; const image = new Image();"
            " image.onload = () => done(image.naturalWidth); image.onerror = () => done(0); image.src = source;",
            source,
        )
        assert width > 1000
        caption.click()
        for part in ("images", "scikit-learn's load_digits", "seeds", "torch", "source revision"):
            assert part in text_of(opened)


@pytest.mark.parametrize(("category", "labels"), TABLES.items())
def test_every_table_can_be_had_with_its_caption(opened, quickstart, category, labels):
    entries = entries_of(opened, category)
    for label in labels:
        link, caption = entries[label]
        head, _, content = link.get_attribute("href").partition(";base64,")
        name = urllib.parse.unquote(head).partition("filename=")[2]
        shown = pd.read_csv(io.BytesIO(base64.b64decode(content)))
        pd.testing.assert_frame_equal(shown, pd.read_csv(quickstart / "results" / "tables" / name))
        caption.click()
        assert "scikit-learn's load_digits" in text_of(opened)


def test_the_configuration_is_in_it(opened):
    (links,) = entries_of(opened, "Configuration").values()
    content = base64.b64decode(links[0].get_attribute("href").partition(";base64,")[2])
    assert b"perturbation:" in content
