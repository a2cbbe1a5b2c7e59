"""The settings of a deployed function."""

import pytest

from cairn.settings import Settings, SettingsError
from cairn.storage.dirty import QUIET

ENVIRONMENT = {"CAIRN_TABLE": "runs", "CAIRN_BUCKET": "bytes", "AWS_REGION": "eu-west-1", "PATH": "/bin"}


def test_what_the_stacks_set_is_enough() -> None:
    settings = Settings.from_environment(ENVIRONMENT)
    assert (settings.table, settings.bucket, settings.region) == ("runs", "bytes", "eu-west-1")
    assert settings.location_of("7") == "s3://bytes/artifacts/7"
    assert settings.multipart
    assert settings.quiet_ms == QUIET


@pytest.mark.parametrize(
    ("root", "location"),
    [
        ("mlflow-artifacts:/", "mlflow-artifacts:/7"),
        ("mlflow-artifacts:/team", "mlflow-artifacts:/team/7"),
        ("s3://other/ml/", "s3://other/ml/7"),
    ],
)
def test_the_artifact_root_is_a_choice(root: str, location: str) -> None:
    settings = Settings.from_environment({**ENVIRONMENT, "CAIRN_ARTIFACT_ROOT": root})
    assert settings.location_of("7") == location


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"CAIRN_TABLE": ""}, "CAIRN_TABLE"),
        ({"CAIRN_ARTIFACT_ROOT": "/tmp"}, "CAIRN_ARTIFACT_ROOT"),
        ({"CAIRN_MULTIPART": "perhaps"}, "CAIRN_MULTIPART"),
        ({"CAIRN_QUIET_MS": "0"}, "CAIRN_QUIET_MS"),
        ({"CAIRN_UI_ORIGIN": "https://perhaps.example/"}, "CAIRN_UI_ORIGIN"),
    ],
)
def test_a_wrong_variable_is_named_and_not_shown(changes: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment({**ENVIRONMENT, **changes})
    assert named in str(raised.value)
    assert "perhaps" not in str(raised.value)


def test_every_missing_variable_is_named() -> None:
    with pytest.raises(SettingsError, match=r"CAIRN_TABLE.*CAIRN_BUCKET.*AWS_REGION"):
        Settings.from_environment({})
