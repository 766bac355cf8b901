"""What people write: wordings, tools, records and the machinery for them, in training alone."""
