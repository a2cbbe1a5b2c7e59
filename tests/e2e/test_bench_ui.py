"""The UI's page in experiments that grow: it is loaded, asked for and timed. Times are not looked at."""

import pytest

from bench import ui_growth


def test_the_quick_benchmark_times_both_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    ui_growth.main(["210"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" runs: ")[0].strip() for line in lines] == ["200", "210"]
    assert all(float(line.split()[2]) > 0 for line in lines)
