"""One puzzle family a file: it writes problems, reads them back from their text and solves them."""
