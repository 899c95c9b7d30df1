"""Bytes and sockets: listeners that accept connections and hand what arrives to sessions."""
