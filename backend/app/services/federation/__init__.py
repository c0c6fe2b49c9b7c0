"""Sign-in through identity providers that others run: what is asked of them, and what their answers change here."""
