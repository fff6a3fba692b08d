"""The theory's numbers from measured nets, and its forecasts of nets that were not used."""
