"""What leaves a set of questions before anything is paid for, why, and on whose account.

    signs.py    a batch of rows -> what they are compared by: words, min-hashes
    alike.py    two texts -> do they say the same?
    clean.py    the parts of a source -> tables `drops` and `kept`; runs sql/ in the order of its numbers
    sql/        plain DuckDB over the parts: each file says what tables it reads and makes

`docs/decisions/0006-duplicates.md` says what counts as the same, and why.
"""
