"""Raw records of published data sets, and what a data set is."""
