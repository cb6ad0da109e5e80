"""What steps leave as parquet files, written and read back."""
