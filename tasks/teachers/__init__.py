"""LangChain chat models that write rationales: one file a provider, chosen by the recipe."""
