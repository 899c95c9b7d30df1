"""Who may open which lock, when: the domain, with its store."""
