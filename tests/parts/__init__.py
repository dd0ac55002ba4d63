"""The real servers that tests start, each private, on a free port, in a temporary folder."""
