"""One file per judge protocol: wording, reading of the verdict."""
