"""What every scenario uses: a server of its own, clients, a ledger of what they saw, and the model that judges it."""
