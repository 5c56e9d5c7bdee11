"""Which parts of a text or picture an answer comes from: as JSON, or as a page to look at."""
