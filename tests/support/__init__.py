"""Helpers that several kinds of tests share: engines, gateways, clients, waiting and inspection."""
