"""The audit: anyone's verifier over our vectors and truth sets, and what is wrong with it, with the inputs."""
