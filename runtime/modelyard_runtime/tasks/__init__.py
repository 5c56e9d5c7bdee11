"""Each task a module: what it takes, what it answers, and how it is asked over HTTP."""
