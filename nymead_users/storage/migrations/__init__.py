"""The way from every older store to the present tables, one file a step.

A file in `versions` is named by its revision (four digits, one higher than those of the step before), an
underscore and a few words. All steps due run in one transaction; foreign keys are checked at its end.
"""

from pathlib import Path

#: The directory of all this.
MIGRATIONS = Path(__file__).parent


def revisions(migrations: Path = MIGRATIONS) -> list[str]:
    """Return the revisions in the directory, oldest first, told by the names of their files."""
    return sorted(file.name.partition("_")[0] for file in (migrations / "versions").glob("[0-9]*_*.py"))
