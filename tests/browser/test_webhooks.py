"""Webhooks on the settings page of MLflow's UI: what is refused says why."""

from playwright.sync_api import expect

from tests.browser.conftest import Logged, Site
from tests.browser.test_changes import call, saved

NOWHERE = "https://192.0.2.1/hooks"
"""TEST-NET-1, as RFC 5737 has it: written in documentation, never routed, and so not public."""


def test_a_webhook_that_leads_inward_is_refused_in_words(site: Site) -> None:
    site.normal.append("mlflow/webhooks")  # 400, twice
    page = site.open("/settings/webhooks")
    page.get_by_role("button", name="Create webhook").click()
    form = page.get_by_role("dialog")
    form.get_by_placeholder("My webhook").fill("inward")
    form.get_by_text("Model version created").click()
    refusals = {
        "http://example.com/hooks": "Invalid webhook URL scheme: 'http'. Allowed schemes are: https.",
        NOWHERE: "Webhook URL must not resolve to a non-public IP address.",
    }
    for url, said in refusals.items():
        form.get_by_placeholder("https://example.com/webhook").fill(url)
        form.get_by_role("button", name="Create").click()
        expect(form.get_by_text(said)).to_be_visible()


def test_a_webhook_is_made_changed_and_deleted(site: Site, logged: Logged) -> None:
    page = site.open("/settings/webhooks")
    page.get_by_role("button", name="Create webhook").click()
    form = page.get_by_role("dialog")
    form.get_by_placeholder("My webhook").fill("deploy")
    form.get_by_placeholder("https://example.com/webhook").fill("https://1.1.1.1/hooks")
    form.get_by_placeholder("Optional secret key").fill("hush")
    form.get_by_text("Model version alias created").click()
    with saved(page, "mlflow/webhooks"):
        form.get_by_role("button", name="Create").click()
    expect(page.get_by_text("https://1.1.1.1/hooks")).to_be_visible()
    (made,) = call(logged, "GET", "webhooks")["webhooks"]
    assert made["events"] == [{"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}]

    page.get_by_role("button", name="Edit").click()
    form.get_by_placeholder("My webhook").fill("deployment")
    with saved(page, f"webhooks/{made['webhook_id']}"):
        form.get_by_role("button", name="Save").click()
    expect(page.get_by_text("deployment", exact=True)).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    with saved(page, f"webhooks/{made['webhook_id']}"):
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No webhooks configured")).to_be_visible()
    assert call(logged, "GET", "webhooks").get("webhooks", []) == []
