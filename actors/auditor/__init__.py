"""The auditor: do the books balance?"""
