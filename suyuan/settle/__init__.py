"""Money: who may redeem what, within which limits, booked how, and paid once."""
