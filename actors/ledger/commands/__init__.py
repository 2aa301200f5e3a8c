"""Functions that apply the ledger's effects to a draft of the books, one module per noun."""
