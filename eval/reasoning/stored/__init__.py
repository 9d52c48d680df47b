"""What is done with stored samples: scored again, set beside another model's, written in the forms of others."""
