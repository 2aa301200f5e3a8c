"""Jobs as people ask for them: parameters, plans, places, prices, and why they wait."""
