"""The deployer's choices: where they come from, and what is refused."""

import re
from pathlib import Path

import pytest

from infra.settings import LOG_DAYS, Settings, SettingsError

ORIGIN = "https://d111111abcdef8.cloudfront.net"
ARN = "arn:aws:acm:us-east-1:123456789012:certificate/0a1b-2c3d"


def test_the_context_wins_over_the_environment_and_that_over_the_default() -> None:
    settings = Settings.load({"stage": "dev"}, {"CAIRN_STAGE": "lab", "CAIRN_LOG_DAYS": "7"})
    assert (settings.stage, settings.log_days, settings.memory_mb) == ("dev", 7, 1024)


def test_strings_of_the_command_line_become_numbers_booleans_and_tags() -> None:
    settings = Settings.load({"versioning": "false", "rate_limit": "50", "tags": "team=ml, cost=42"}, {})
    assert settings.versioning is False
    assert settings.rate_limit == 50
    assert settings.tags == {"team": "ml", "cost": "42"}


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ({"stage": "Prod!"}, "stage: "),
        ({"access": "everybody"}, "access is own-account"),
        ({"access": "organisation:xyz"}, "access is own-account"),
        ({"access": "accounts:12345"}, "access is own-account"),
        ({"access": "accounts:"}, "access is own-account"),
        ({"access": "any-aws-principal:x"}, "access is own-account"),
        ({"encryption": "none"}, "encryption: "),
        ({"log_days": 31}, "CloudWatch Logs keeps 1, 3, 5"),
        ({"alarm_email": "nobody"}, "alarm_email: "),
        ({"tags": "team"}, "key=value"),
        ({"burst_limit": 0}, "burst_limit: "),
        ({"organizations_role": "CairnReads"}, "organizations_role: "),
        ({"direct_s3": "true", "encryption": "customer"}, "encryption: .*cannot decrypt"),
        ({"permissions_boundary": "a b"}, "permissions_boundary: "),
        ({"cloudfront": "true"}, "cloudfront: .*ui=true"),
        ({"ui_origin": ORIGIN}, "ui_origin: .*ui=true"),
        ({"ui": "true", "ui_origin": "http://d1.cloudfront.net"}, "ui_origin: "),
        ({"ui": "true", "ui_origin": f"{ORIGIN}/"}, "ui_origin: "),
        ({"ui": "true", "ui_origin": f"{ORIGIN}/ui"}, "ui_origin: "),
        ({"ui": "true", "ui_origin": f"{ORIGIN}:443"}, "ui_origin: "),
        ({"ui": "true", "ui_origin": "https://D1.cloudfront.net"}, "ui_origin: "),
        ({"ui": "true", "ui_origin": "https://*.cloudfront.net"}, "ui_origin: "),
        ({"ui": "true", "ui_origin": f"{ORIGIN} https://e.org"}, "ui_origin: "),
        ({"ui": "true", "ui_origin": f"{ORIGIN}\n"}, "ui_origin: "),
        ({"ui": "true", "ui_origin": ORIGIN, "cloudfront_certificate": ARN}, "cloudfront=true"),
        ({"ui": "true", "cloudfront": "true", "cloudfront_certificate": ARN}, "host of your own"),
        (
            {"ui": "true", "cloudfront": "true", "ui_origin": ORIGIN, "cloudfront_certificate": ARN},
            "host of your own",
        ),
        (
            {
                "ui": "true",
                "cloudfront": "true",
                "ui_origin": "https://mlflow.example.org",
                "cloudfront_certificate": ARN.replace("us-east-1", "eu-west-1"),
            },
            "cloudfront_certificate: ",
        ),
    ],
)
def test_what_cannot_be_deployed_is_refused_by_name(context: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Settings.load(context, {})


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        Settings.load({"stage": "A", "log_days": 2}, {})
    assert len(str(error.value).splitlines()) == 2


def test_every_retention_of_logs_is_one_that_the_cdk_knows() -> None:
    from aws_cdk import aws_logs

    assert len(LOG_DAYS) == len(aws_logs.RetentionDays) - 2, "all but NINE_YEARS and INFINITE"


def test_every_setting_is_documented_with_its_default(root: Path) -> None:
    _, _, section = (root / "docs" / "deploy.md").read_text().partition("## Settings")
    table = section.partition("\n## ")[0]
    documented = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \| .+ \|$", table, re.MULTILINE))
    defaults = {
        name: field.get_default(call_default_factory=True) for name, field in Settings.model_fields.items()
    }
    shown = {
        name: "none" if value in (None, {}, "") else str(value).lower() for name, value in defaults.items()
    }
    assert documented == shown
