"""A shop: how a product adds tables, rules and routes of its own without a change to Ostiary's files."""
