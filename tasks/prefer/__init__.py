"""prefer: right and wrong replies to training questions become preferences, and nobody is asked for them."""
