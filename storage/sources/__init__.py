"""Source files of any container and form become records."""
