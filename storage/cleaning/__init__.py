"""What leaves a source before anything is paid for, why, and on whose account.

    signs.py     a batch of rows -> what they are compared by: words, min-hashes
    compare.py   which words of a question and of a dialogue count
    alike.py     two texts -> do they say the same?
    near.py      min-hashes -> pairs -> those that say the same
    overlap.py   evaluation sets -> n-grams that the rows share with them
    clean.py     all of it in order: tables `kept` and `drops`
    sql/         plain DuckDB; each file says what tables it reads and makes

`docs/decisions/0010-duplicates.md` says what counts as the same, and why.
"""
