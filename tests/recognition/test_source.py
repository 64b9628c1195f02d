"""Where networks came from."""

from recognition.source import Source, short_fingerprint


def test_a_fingerprint_has_the_output_of_a_network_with_several() -> None:
    assert Source().fingerprint == ""
    assert Source(sha256="ab").fingerprint == "ab"
    assert Source(sha256="ab", output="embedding").fingerprint == "ab:embedding"
    assert short_fingerprint("0123456789abcdef:embedding") == "0123456789ab:embedding"
    assert short_fingerprint("0123456789abcdef") == "0123456789ab"


def test_only_what_a_file_leaves_open_is_an_assumption() -> None:
    assert Source().assumption is None
    assert Source(readings=("insightface", "zero-to-one", "adaface")).assumption == (
        "its file does not say how images are prepared: insightface is assumed, and zero-to-one or adaface "
        "fits as well"
    )
