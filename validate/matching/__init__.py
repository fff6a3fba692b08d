"""The theory's numbers from measured networks, and its forecasts of networks that were not used."""
