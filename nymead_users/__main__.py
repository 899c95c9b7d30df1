"""``python -m nymead_users``."""

from nymead_users.cli import main

main()
