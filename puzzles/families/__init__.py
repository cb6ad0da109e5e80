"""One file a family: it writes puzzle texts, reads them back, solves them and words the rationale."""
