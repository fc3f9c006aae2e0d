"""With --all, tests of ops run under the Khronos validation layer, whose messages fail them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drivers import OP_TESTS

_VALIDATED = {f"test_{name}" for names in OP_TESTS.values() for name in names}


@pytest.fixture(autouse=True)
def validation_layer(request: pytest.FixtureRequest) -> Iterator[None]:
    if not request.config.getoption("--all") or request.path.stem not in _VALIDATED:
        yield
        return
    request.getfixturevalue("monkeypatch").setenv("ETVK_VALIDATION", "1")
    said: pytest.CaptureFixture[str] = request.getfixturevalue("capfd")
    yield
    messages = said.readouterr().err
    assert "[etvk validation]" not in messages, messages
