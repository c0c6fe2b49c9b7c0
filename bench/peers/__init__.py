"""Measures Ostiary and two systems that others made, side by side: FastAPI Users, and better-auth."""
