"""The way from every older store to the present tables, one file a step.

A file in `versions` is named by its revision (four digits, one higher than those of the step before), an
underscore and a few words. All steps due run in one transaction; foreign keys are checked at its end.
"""
