"""A small DistilBERT that finds the names of people, organisations, places and the like in English text."""
