"""The course: six labs along a detector of the reader's own, checks in the notebook, and a grader without a server.

    >>> from fcos_edu.course import check
    >>> check("centerness", centerness)

The names are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .catalogue import LABS, NAMES, find, questions
    from .checks import check
    from .grading import grade
    from .own import keep, own_detector
else:
    from .._lazy import lazy

    __getattr__, __dir__ = lazy(
        __name__,
        {
            "catalogue": ("LABS", "NAMES", "find", "questions"),
            "checks": ("check",),
            "grading": ("grade",),
            "own": ("keep", "own_detector"),
        },
    )

__all__ = ["LABS", "NAMES", "check", "find", "grade", "keep", "own_detector", "questions"]
