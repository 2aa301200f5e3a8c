"""Jobs as users submit and control them: validation, prices, units, retries, and wait reasons."""
