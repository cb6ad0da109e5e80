"""A home as it is looked at: lists, pages of tables, two subjects side by side. Reads only, and never the warehouse."""
