"""One server of a model in OpenAI's protocol: how it is set, started, waited for and stopped."""
