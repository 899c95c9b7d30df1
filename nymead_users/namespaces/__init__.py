"""The API's namespaces, one folder each."""
