"""The same verifiers with the scores that Reasoning360 published (arXiv:2506.14965), its bugs included."""
