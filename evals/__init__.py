"""Pure arithmetic over records, and the page that shows it.

Votes become ballots, ballots become a verdict, a verdict and its facts become one HTML page;
rationales become counts and a list of keys in doubt.
Imports the standard library and `storage.records`; numpy, matplotlib and jinja2 inside the functions
that need them. Touches no disk but its own template, no network, no Prefect, no model.
"""
