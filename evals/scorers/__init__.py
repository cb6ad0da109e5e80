"""Scorers of work other than multiple choice: each takes a prediction and a gold record and gives a `Score`."""
