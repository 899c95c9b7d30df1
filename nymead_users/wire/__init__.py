"""The two dialects on the wire and the framing below them. No I/O."""
