"""Pages and REST for agents, supervisors and telephones."""
