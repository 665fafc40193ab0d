"""callguard: honest call recording on Asterisk."""

__version__ = "0.1.0"
