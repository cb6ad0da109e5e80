"""LangChain chat models that write rationales: one file a provider, `build` chooses by the recipe."""
