"""The features of a whole history at once: by the compiled replay, by DuckDB, or by Spark, equal to the last cell.

A row stream becomes columns (`columns`), long histories come in blocks with what they look back on (`blocks`), and each
executor measures whole numbers that the one finaliser makes features of. Nothing here is imported by the line.
"""
