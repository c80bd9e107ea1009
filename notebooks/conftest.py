"""Settings of nbval: warnings and progress bars on stderr differ between versions and are not compared."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        notebook = item.parent
        skipped = getattr(notebook, "skip_compare", None)
        if skipped is not None and "stderr" not in skipped:
            notebook.skip_compare = (*skipped, "stderr")
