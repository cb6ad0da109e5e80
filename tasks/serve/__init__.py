"""serve: adapters of a home behind one address."""
