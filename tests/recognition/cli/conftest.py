import pytest


@pytest.fixture(autouse=True)
def usual_allocator(monkeypatch):
    """Keep the allocator's settings, which `train` would change for the whole process."""
    monkeypatch.setattr("recognition.runtime.keep_freed_memory", lambda: None)
