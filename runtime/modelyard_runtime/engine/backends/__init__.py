"""What computes on the model: the only users of torch and transformers besides loading."""
