"""The methods that the paper compares drags with."""
