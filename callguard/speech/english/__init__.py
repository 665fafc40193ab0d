"""English with pocketsphinx: what it is listened with, and how the evidence is weighed."""
