"""Credits beside their routes: asking the books, what admins do, what Stripe says."""
