"""The verbs of the product, one file for each journey. No web framework, no wire format: plain values in, models out."""
