"""All that people have set, out of one server and into another."""
