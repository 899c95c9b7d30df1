"""A typed asyncio client for every transport and both dialects."""
