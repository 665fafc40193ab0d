"""A corpus of spoken answers that is made on the spot: nobody's voice is kept in the repository."""
