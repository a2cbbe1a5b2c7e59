"""Forms of MLflow's UI that several tests fill in; each returns the button that sends it."""

import re

from playwright.sync_api import Locator, Page


def new_experiment(page: Page, name: str) -> Locator:
    """On the list of experiments."""
    page.get_by_role("button", name="Create", exact=True).click()  # not "Time created"
    form = page.get_by_role("dialog")
    form.get_by_label("Experiment Name").fill(name)
    return form.get_by_role("button", name="Create")


def new_tag(page: Page) -> Locator:
    """On a model's or a version's page."""
    page.get_by_text("Tags", exact=True).first.click()
    page.get_by_placeholder("Name").fill("team")
    page.get_by_placeholder("Value").fill("growth")
    return page.get_by_test_id("add-tag-button")


def to_stage(page: Page, stage: str) -> Locator:
    """On a version's page. Stages are of the registry's old pages."""
    page.get_by_role("switch", name="New model registry UI").click()
    page.get_by_role("button", name="Disable").click()
    page.get_by_text("None", exact=True).first.click()
    page.get_by_role("menuitem").filter(has_text=stage).click()
    return page.get_by_role("dialog").get_by_role("button", name="OK")


def run_tag(page: Page) -> Locator:
    """On a run's page."""
    page.get_by_role("button", name=re.compile("(Add|Edit) tags")).click()
    form = page.get_by_role("dialog")
    form.get_by_role("combobox").fill("team")
    page.keyboard.press("Enter")
    form.get_by_role("textbox", name="Value").fill("growth")
    form.get_by_role("button", name="Add tag").click()
    return form.get_by_role("button", name="Save tags")
