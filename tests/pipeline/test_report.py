"""The HTML report of the quick start in headless Chromium: it opens on the claims, and all in it can be reached.

Needs Debian's chromium and chromium-driver, which `make test-report` installs.
"""

import base64
import re
import shutil
import urllib.parse

import pytest
from conftest import ROOT, run_snakemake
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

pytestmark = pytest.mark.browser

LAPTOP = {"width": 1366, "height": 768, "deviceScaleFactor": 1, "mobile": False}
FIGURES = [  # category, label, toggle, and how the caption begins
    ("Claims", "all differences", None, "Every difference of the claims, Normal noise minus another"),
    ("Convergence", "digits", "training", "Training loss of the relaxed samples against epoch on digits"),
    ("Convergence", "digits", "validation", "Validation loss against epoch on digits"),
    ("Temperature", "digits", None, "Validation loss of the best epoch of each run on digits"),
    ("What the models learned", "digits 5 images", None, "digits, K = 5, by the selected models"),
]
TABLES = [  # category, label, and how the caption begins
    ("Claims", "comparisons", "The paper's claims, each split into comparisons"),
    ("Claims", "verdicts", "The verdict on each claim as a whole"),
    ("Costs", "core-hours and GPU-hours", "What training and evaluation have cost"),
    ("Tables", "diverged runs", "Runs whose loss stopped being finite"),
    ("Tables", "selected temperatures", "The temperature with the lowest validation loss"),
    ("Tables", "test loss", "Test losses, in nats per image"),
    ("Tables", "what was run", "What was run on each dataset"),
    ("What the models learned", "use of the codes", "What the selected models learned"),
]


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
def report(quickstart, browser, tmp_path_factory):
    """The address of the report that is made of the groups alone, as in a clone, opened once."""
    directory = tmp_path_factory.mktemp("report")
    study = directory / "results/quickstart"
    shutil.copytree(quickstart / "results/quickstart", study, ignore=shutil.ignore_patterns("runs"))
    arguments = ("--configfile", str(study / "config.yaml"), "--config", "draw_only=true")
    run_snakemake(directory, "--cores", "all", "--forceall", *arguments)
    (stylesheet,) = re.findall(r"--report-stylesheet (\S+)", (ROOT / "Makefile").read_text())
    page = ("--report", "results/quickstart/report.html", "--report-stylesheet", str(ROOT / stylesheet))
    run_snakemake(directory, *page, *arguments)
    return (study / "report.html").as_uri()


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


def links_of(page, label: str) -> tuple:
    """Return the links to the content and to the caption of a result of the open category."""
    rows = WebDriverWait(page, 30).until(lambda page: page.find_elements(By.XPATH, "//nav//tbody/tr"))
    (row,) = [row for row in rows if row.text.replace("\n", " ") == label]
    return tuple(row.find_elements(By.TAG_NAME, "a"))


def caption_of(page, link) -> str:
    """Return the text that a link to a caption shows."""
    link.click()
    WebDriverWait(page, 30).until(lambda page: "DESCRIPTION" in text_of(page))
    return text_of(page).split("DESCRIPTION\n")[1]


def test_it_opens_on_the_claims_then_their_verdicts_then_the_forest_plot(opened):
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", LAPTOP)
    assert opened.execute_script("return [innerWidth, innerHeight]") == [1366, 768]
    claims = opened.find_element(By.CSS_SELECTOR, ".prose p")
    table = opened.find_element(By.CSS_SELECTOR, "table.docutils")
    first_row, *rows = table.find_elements(By.CSS_SELECTOR, "tbody tr")
    figure = opened.find_element(By.CSS_SELECTOR, ".prose img")
    WebDriverWait(opened, 30).until(lambda _: int(figure.get_property("naturalWidth")) > 1000)
    assert claims.text.startswith("Claim 1: ")
    tops = [element.location["y"] for element in (claims, table, first_row, figure)]
    assert tops == sorted(tops)
    assert tops[0] >= 0, "nothing is hidden above the screen"
    assert tops[2] + first_row.size["height"] <= 768
    assert figure.size["width"] > 500
    lines = table.text.splitlines()
    assert lines[1] == "claim measure where verdict", "without the counts behind them"
    assert len(rows) == 8
    assert "(interim: 2 of 6 seeds)" in " ".join(lines)
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_it_has_these_categories_and_no_more(opened):
    shown = text_of(opened).split("RESULTS\n")[1].splitlines()
    categories = ["Claims", "Convergence", "Costs", "Tables", "Temperature"]
    assert shown[:6] == [*categories, "What the models learned"]


@pytest.mark.parametrize(("category", "label", "toggle", "beginning"), FIGURES)
def test_every_figure_is_shown_with_its_caption(opened, category, label, toggle, beginning):
    click(opened, category)
    if toggle:
        opened.find_element(By.XPATH, f"//nav//label[normalize-space(.)='{toggle}']").click()
    links_of(opened, label)[0].click()
    wait = WebDriverWait(opened, 30, ignored_exceptions=[NoSuchElementException])
    image = wait.until(lambda page: page.find_element(By.CSS_SELECTOR, "img[src*='image/png']"))
    wait.until(lambda _: int(image.get_property("naturalWidth")) > 1000)
    assert caption_of(opened, links_of(opened, label)[1]).startswith(beginning)


@pytest.mark.parametrize(("category", "label", "beginning"), TABLES)
def test_every_table_can_be_had_with_its_caption(opened, quickstart, category, label, beginning):
    click(opened, category)
    link, caption = links_of(opened, label)
    head, _, content = link.get_attribute("href").partition(";base64,")
    name = urllib.parse.unquote(head).partition("filename=")[2]
    expected = (quickstart / "results/quickstart/tables" / name).read_text()
    assert base64.b64decode(content).decode() == expected
    assert caption_of(opened, caption).startswith(beginning)
