import pytest

from tests.recognition.cli.helpers import run


@pytest.mark.parametrize("kind", ["logits", "decisions"])
def test_plots_of_heads_need_no_input(kind, tmp_path, capsys):
    code, _, err = run(capsys, "plots", kind, "--out", tmp_path / kind)
    assert code == 0, err
    assert (tmp_path / f"{kind}.png").stat().st_size > 5000


def test_the_toy_needs_eight_identities(tiny_model, people, tmp_path, capsys):
    two = tmp_path / "two"
    two.mkdir()
    (two / "Person_00").symlink_to(people / "Person_00")
    code, _, err = run(capsys, "plots", "toy", two, "--model", tiny_model)
    assert code == 2
    assert "expected at least 8 identities, found 1" in err
