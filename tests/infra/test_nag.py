"""cdk-nag's AWS Solutions pack finds nothing but what is accepted, with a reason, beside the construct."""

import re
from pathlib import Path

from infra.settings import Settings
from tests.infra.synthesis import Assembly, synthesise


def test_nothing_is_found_by_default(default: Assembly) -> None:
    assert default.findings == ()


def test_nothing_is_found_with_every_other_choice(everything: Assembly) -> None:
    assert everything.findings == ()


def test_every_acceptance_has_its_reason(root: Path) -> None:
    for path in (root / "infra").rglob("*.py"):
        for call in re.findall(r"accept\(\s*(?:[^()]|\([^()]*\))*\)", path.read_text()):
            if path.name != "nag.py":
                words = re.findall(r'"([^"]+)"', call)
                assert any(len(reason.split()) >= 5 for reason in words), call


def test_the_watch_would_see_a_finding(tmp_path: Path) -> None:
    """The acceptance of the bucket's wildcard is bound to its stack: elsewhere the pack reports it."""
    import pytest

    from infra.stacks import api

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "BUCKET_EXPORT", "something-else")
        findings = synthesise(Settings(), tmp_path / "cdk.out").findings
    assert [f for f in findings if f.startswith("AwsSolutions-IAM5[Resource::")]
