"""The ledger, book/ledger.md: every equation, figure and table of the paper, beside what was measured here.

The paper's figures come from :mod:`fcos_edu.paper`, ours from ``fcos_edu/results/``, and the word of a row follows from
both by the rules of :mod:`scripts.ledger.verdicts`: nobody types a verdict. An equation or a drawing is *equal* because
of a test, which must exist.

verdicts: the words. rows: what makes a row. commands: what would measure it. hours: what that takes on COCO. claims: rows
of comparisons over seeds. tables: the rows of each table of the paper. page: the markdown. report: book/reproduction.md.
"""
