"""The pages of `ponens view`: a home looked at in a browser, on this machine alone. Nothing is changed."""
