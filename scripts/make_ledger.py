"""Write book/ledger.md: every equation, figure and table of the paper, beside what was measured here.

    python -m scripts.make_ledger            write it
    python -m scripts.make_ledger --check    change nothing, fail if it is behind

The work is done in scripts/ledger/.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a file: the folder of the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.ledger.page import main

if __name__ == "__main__":
    sys.exit(main())
