"""The predictions O1 to O10 of and about the rival theory; their columns are tasks."""
