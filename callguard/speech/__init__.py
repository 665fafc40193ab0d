"""What a caller says, in memory, as yes, no or unclear."""
