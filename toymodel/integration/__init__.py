"""From a model to where its circuits go: as the rows that the kernel works on, by the kernel, plain or compiled."""
