"""What all results share: how they are read, shown and labelled."""
