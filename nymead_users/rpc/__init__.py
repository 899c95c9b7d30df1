"""Declarations of methods, the dispatcher that checks calls against them, and the contract read from them."""
