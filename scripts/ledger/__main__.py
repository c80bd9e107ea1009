"""``python -m scripts.ledger`` is ``python -m scripts.make_ledger``."""

import sys

from .page import main

sys.exit(main())
