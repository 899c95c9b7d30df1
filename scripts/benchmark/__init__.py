"""The benchmark: what is measured, against what, with which load, and how it is told."""
